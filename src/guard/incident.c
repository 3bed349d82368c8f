/* Incidents: describing one, and as one line of JSON and back. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "guard/guard_private.h"

void bal_copy_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from ? from : "");
    to[bal_text_utf8_valid(to, strlen(to))] = '\0';
}

const char *bal_guard_class_name(const bal_guard_head *head, int32_t class_id) {
    bool named = head->class_names && class_id >= 0 && class_id < head->classes;
    return named && head->class_names[class_id] ? head->class_names[class_id] : "";
}

void bal_incident_about(bal_incident *incident, const bal_guard_head *head, int32_t class_id) {
    bal_copy_text(incident->head, sizeof incident->head, head->name);
    bal_copy_text(incident->class_name, sizeof incident->class_name,
                  bal_guard_class_name(head, class_id));
    if (class_id >= 0 && !incident->class_name[0])
        snprintf(incident->class_name, sizeof incident->class_name, "%d", (int)class_id);
}

void bal_incident_say(bal_incident *incident, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(incident->message, sizeof incident->message, format, args);
    va_end(args);
    size_t valid = bal_text_utf8_valid(incident->message, strlen(incident->message));
    incident->message[valid] = '\0';
}

void bal_incident_add(bal_incident *incident, const char *name, double value) {
    if (incident->n_evidence == BAL_EVIDENCE_MAX) return;
    bal_copy_text(incident->evidence[incident->n_evidence].name, sizeof incident->evidence->name,
                  name);
    incident->evidence[incident->n_evidence++].value = value;
}

/* ---- JSON ---- */

void bal_incident_write(const bal_incident *incident, const char *stage, bal_json_out *out) {
    bal_json_out_object(out);
    bal_json_out_named_string(out, "detector", incident->detector);
    bal_json_out_named_string(out, "head", incident->head);
    bal_json_out_named_string(out, "class", incident->class_name);
    bal_json_out_named_integer(out, "epoch", incident->epoch);
    if (stage[0]) bal_json_out_named_string(out, "stage", stage);
    bal_json_out_named_integer(out, "step", incident->step);
    bal_json_out_named_integer(out, "evaluation", incident->evaluation);
    bal_json_out_named_string(out, "action", bal_guard_policy_name(incident->action));
    bal_json_out_named_string(out, "message", incident->message);
    bal_json_out_key(out, "evidence");
    bal_json_out_object(out);
    for (int32_t i = 0; i < incident->n_evidence; i++)
        bal_json_out_named_number(out, incident->evidence[i].name, incident->evidence[i].value);
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
}

void bal_incident_json(const bal_incident *incident, const char *stage, bal_text *out) {
    bal_json_out json;
    bal_json_out_init(&json, out, BAL_JSON_LINE);
    bal_incident_write(incident, stage, &json);
    bal_text_puts(out, "\n");
}

static bool read_text(const json_t *object, const char *key, char *to, size_t size) {
    const char *text = json_string_value(json_object_get(object, key));
    if (!text) return false;
    bal_copy_text(to, size, text);
    return true;
}

static bool read_integer(const json_t *object, const char *key, int64_t *to) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *to = json_integer_value(value);
    return true;
}

static bool read_action(const json_t *object, bal_guard_policy *to) {
    const char *name = json_string_value(json_object_get(object, "action"));
    for (int policy = BAL_GUARD_OFF; name && policy <= BAL_GUARD_RECOVER; policy++) {
        if (strcmp(name, bal_guard_policy_name((bal_guard_policy)policy)) != 0) continue;
        *to = (bal_guard_policy)policy;
        return true;
    }
    return false;
}

static bool read_evidence(const json_t *object, bal_incident *to) {
    json_t *evidence = json_object_get(object, "evidence");
    if (!json_is_object(evidence) || json_object_size(evidence) > BAL_EVIDENCE_MAX) return false;
    const char *name;
    json_t *item;
    json_object_foreach(evidence, name, item) {
        double value;
        if (!bal_json_number(item, &value)) return false;
        bal_incident_add(to, name, value);
    }
    return true;
}

bal_status bal_incident_read(bal_incident *incident, const json_t *object, bal_error *err) {
    bal_incident read = {0};
    const char *wrong =
        !read_text(object, "detector", read.detector, sizeof read.detector)    ? "detector"
        : !read_text(object, "head", read.head, sizeof read.head)              ? "head"
        : !read_text(object, "class", read.class_name, sizeof read.class_name) ? "class"
        : !read_text(object, "message", read.message, sizeof read.message)     ? "message"
        : !read_integer(object, "epoch", &read.epoch)                          ? "epoch"
        : !read_integer(object, "step", &read.step)                            ? "step"
        : !read_integer(object, "evaluation", &read.evaluation)                ? "evaluation"
        : !read_action(object, &read.action)                                   ? "action"
        : !read_evidence(object, &read)                                        ? "evidence"
                                                                               : NULL;
    if (wrong)
        return bal_fail(err, BAL_EFORMAT, "guard ledger: an incident without a usable \"%s\"",
                        wrong);
    *incident = read;
    return BAL_OK;
}
