/* rule: conditions from the recipe, `METRIC OP VALUE [after N] [-> ACTION]`. A metric that is
 * undefined meets no condition. */
#include <math.h>
#include <string.h>

#include "guard/detector.h"

static const bal_detector_option options[] = {{.name = NULL}};

typedef struct state {
    bool fired;
} state; /* [rules] */

static void *open(bal_guard *guard, const bal_watch *watch) {
    return bal_arena_alloc(bal_guard_arena(guard), (size_t)bal_guard_rules(guard), sizeof(state));
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    state *s = watch->state;
    for (int32_t r = 0; r < bal_guard_rules(guard); r++)
        s[r] = (state){0};
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    for (int32_t r = 0; r < bal_guard_rules(guard); r++)
        bal_stream_flag(stream, &s[r].fired);
}

static bool holds(const char *op, double value, double bar) {
    if (isnan(value)) return false;
    if (strcmp(op, "<") == 0) return value < bar;
    if (strcmp(op, "<=") == 0) return value <= bar;
    if (strcmp(op, ">") == 0) return value > bar;
    if (strcmp(op, ">=") == 0) return value >= bar;
    if (strcmp(op, "==") == 0) return value == bar;
    return value != bar; /* bal_guard_new let no other pass */
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_guard_rule *rule,
                 double value) {
    bool note = rule->has_action && rule->action == BAL_GUARD_WARN;
    bal_incident *incident = bal_guard_fire(guard, watch, note ? BAL_ONLY_NOTE : BAL_ACT);
    if (rule->has_action) incident->action = rule->action;
    bal_copy_text(incident->head, sizeof incident->head, rule->path.head);
    bal_copy_text(incident->class_name, sizeof incident->class_name, rule->path.class_name);
    bal_incident_say(incident, "rule '%s' of the recipe is met: the value is %.6g", rule->text,
                     value);
    bal_incident_add(incident, "value", value);
    bal_incident_add(incident, "bar", rule->value);
}

static bool on_evaluation(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals) {
    state *s = watch->state;
    bool suspect = false;
    for (int32_t r = 0; r < bal_guard_rules(guard); r++) {
        const bal_guard_rule *rule = bal_guard_rule_at(guard, r);
        bool switched_off = rule->has_action && rule->action == BAL_GUARD_OFF;
        if (switched_off || !signals->lookup) continue;
        double value = signals->lookup(signals->user, &rule->path);
        bool met =
            bal_guard_evaluations(guard) > rule->after && holds(rule->op, value, rule->value);
        if (met && !s[r].fired) fire(guard, watch, rule, value);
        s[r].fired = met;
        suspect |= met && !(rule->has_action && rule->action == BAL_GUARD_WARN);
    }
    return suspect;
}

static const bal_detector_hooks hooks = {
    .open = open, .reset = reset, .visit = visit, .on_evaluation = on_evaluation};

const bal_detector bal_detector_rule = {
    .name = "rule",
    .summary = "fires when a condition that the recipe lists is met",
    .source = "",
    .options = options,
    .hooks = &hooks,
};
