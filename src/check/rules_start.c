/* A rule about the start of a run: does it refuse what no other rule looks at? Asked of the code
 * that starts runs, so that no list of refusals is kept here that would fall behind. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "check/check_context.h"
#include "check/check_table.h"
#include "format/yaml.h"
#include "train/trainer.h"

/* ---- where a refusal stands ---- */

/* A refusal begins with its place (bal_place_fail), which is that of a node of the recipe. Found
 * again it yields the key, and the sentence without it. */
typedef struct whereabouts {
    bal_place place;
    char key[256];
    size_t length; /* of the place in the message, ": " included; 0: none */
} whereabouts;

static void compare_place(const bal_place *place, const char *key, const char *message,
                          whereabouts *best) {
    char text[sizeof((bal_error *)NULL)->message];
    bal_check_place_text(place, text, sizeof text);
    size_t length = strlen(text);
    if (strncmp(message, text, length) != 0 || strncmp(message + length, ": ", 2) != 0) return;
    if (length + 2 <= best->length) return; /* the outermost node of those that stand there */
    best->place = *place;
    best->length = length + 2;
    snprintf(best->key, sizeof best->key, "%s", key);
}

static void look_for_place(const bal_yaml_node *node, const char *key, const char *message,
                           whereabouts *best) {
    int index = 0;
    for (const bal_yaml_node *child = node->first; child; child = child->next) {
        char inner[sizeof best->key];
        if (child->key)
            snprintf(inner, sizeof inner, "%s%s%s", key, key[0] ? "." : "", child->key);
        else
            snprintf(inner, sizeof inner, "%s[%d]", key, index++);
        if (child->source) {
            const bal_place value = {child->source, child->line, child->column};
            compare_place(&value, inner, message, best);
        }
        look_for_place(child, inner, message, best);
    }
}

static void find_refusal(bal_check *check, const bal_check_stage *stage, const char *message) {
    whereabouts at = {.length = 0};
    look_for_place(stage->recipe->tree, "", message, &at);
    if (at.length == 0) look_for_place(check->recipe->tree, "", message, &at);
    if (at.length == 0) at.place = bal_check_place_of(check->recipe, "");
    bal_check_find_at(check, stage, at.key, at.place, message + at.length);
}

/* ---- start-refused ---- */

static void look_at_start(bal_check *check) {
    if (!check->stand) return;
    bal_check_each_stage (stage, check) {
        bal_error why = {0};
        /* The rule `memory` has said so; trying it would take that memory. */
        if (bal_check_memory_share(check, stage) > 1) continue;
        bal_status status =
            bal_trainer_rehearse(check->recipe, (int32_t)(stage - check->stages),
                                 check->stand->dataset, check->stand->backend, &why);
        if (status == BAL_ENOMEM)
            check->failed = true;
        else if (status != BAL_OK)
            find_refusal(check, stage, why.message);
    }
}

const bal_check_rule bal_rule_start_refused = {
    .id = "start-refused",
    .severity = BAL_CHECK_ERROR,
    .summary = "`train` would refuse to begin.",
    .why = "What `train` does before its first step is done here for every stage, and forgotten: "
           "the network is built and its programs compiled, `init_from` is read, patterns of "
           "`model.freeze` and `optimizer.groups` are compared with the names of the weights, and "
           "the classes that `monitor`, `guard.rules`, `class_weights` and `payoff` name with "
           "those of the data. Fires with the sentence that `train` would end with, the first "
           "of each stage. Nothing is written, and nothing is built that the rule `memory` "
           "finds too large.",
    .fix = "Change what the sentence names; `train` stops at the same place, with check: off too.",
    .needs_data = true,
    .look = look_at_start,
};
