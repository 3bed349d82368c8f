/* health.json: the verdict on a run, what was seen, what fits it, what was tried. Everything here
 * is a record or a hypothesis; the words "root cause" do not appear. */
#include <string.h>

#include "guard/guard_private.h"

static const char *verdict_of(const bal_guard *guard, const char *outcome) {
    if (strcmp(outcome, "collapsed") == 0) return "collapsed";
    if (strcmp(outcome, "stopped") == 0) return "stopped";
    if (guard->ledger.rollbacks > 0) return "recovered";
    return guard->ledger.incidents > 0 ? "warned" : "healthy";
}

static const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

static void write_summary(const bal_guard *guard, const char *verdict, bal_json_out *out) {
    const bal_ledger *ledger = &guard->ledger;
    bal_text text = {0};
    if (strcmp(verdict, "collapsed") == 0)
        bal_text_printf(&text,
                        "The run collapsed and was not recovered: %lld incident%s, %d rollback%s, "
                        "%s.",
                        (long long)ledger->incidents, plural(ledger->incidents),
                        (int)ledger->rollbacks, plural(ledger->rollbacks),
                        ledger->gave_up ? "nothing left to try"
                                        : "and after the last one no evaluation that was fit "
                                          "to be kept");
    else if (strcmp(verdict, "stopped") == 0)
        bal_text_printf(&text, "The run was stopped as its recipe asks, after %lld incident%s.",
                        (long long)ledger->incidents, plural(ledger->incidents));
    else if (strcmp(verdict, "recovered") == 0)
        bal_text_printf(
            &text, "The run went wrong and was recovered by %d rollback%s%s.",
            (int)ledger->rollbacks, plural(ledger->rollbacks),
            ledger->on_probation ? "; it ended before the last recovery had proved itself" : "");
    else if (strcmp(verdict, "warned") == 0)
        bal_text_printf(&text, "The run went through with %lld warning%s.",
                        (long long)ledger->incidents, plural(ledger->incidents));
    else
        bal_text_puts(&text, guard->policy == BAL_GUARD_OFF
                                 ? "The guard was off: nobody looked."
                                 : "Nothing was found wrong with this run.");
    bal_json_out_named_string(out, "summary", text.data);
    if (bal_text_failed(&text)) out->text->failed = true;
    bal_text_release(&text);
}

static void write_counts(const bal_guard *guard, bal_json_out *out) {
    bal_json_out_named_integer(out, "incidents", guard->ledger.incidents);
    bal_json_out_key(out, "incidents_by_detector");
    bal_json_out_object(out);
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++) {
        if (guard->ledger.count[i] > 0)
            bal_json_out_named_integer(out, bal_detector_table[i]->name, guard->ledger.count[i]);
    }
    bal_json_out_object_end(out);
}

/* ---- what was seen: incidents of one detector, head and class together ---- */

static bool is_alike(const bal_incident *a, const bal_incident *b) {
    return strcmp(a->detector, b->detector) == 0 && strcmp(a->head, b->head) == 0 &&
           strcmp(a->class_name, b->class_name) == 0;
}

static bool is_first_of_its_kind(const bal_ledger *ledger, int32_t i) {
    for (int32_t before = 0; before < i; before++) {
        if (is_alike(&ledger->kept[before], &ledger->kept[i])) return false;
    }
    return true;
}

static void write_group(const bal_ledger *ledger, int32_t first, bal_json_out *out) {
    const bal_incident *incident = &ledger->kept[first], *last = incident;
    int64_t count = 0;
    for (int32_t i = first; i < ledger->n_kept; i++) {
        if (!is_alike(incident, &ledger->kept[i])) continue;
        last = &ledger->kept[i];
        count++;
    }
    bal_json_out_object(out);
    bal_json_out_named_string(out, "detector", incident->detector);
    bal_json_out_named_string(out, "head", incident->head);
    bal_json_out_named_string(out, "class", incident->class_name);
    bal_json_out_named_integer(out, "count", count);
    bal_json_out_named_integer(out, "first_epoch", incident->epoch);
    bal_json_out_named_integer(out, "last_epoch", last->epoch);
    bal_json_out_named_string(out, "action", bal_guard_policy_name(incident->action));
    bal_json_out_named_string(out, "message", incident->message);
    bal_json_out_key(out, "evidence");
    bal_json_out_object(out);
    for (int32_t i = 0; i < incident->n_evidence; i++)
        bal_json_out_named_number(out, incident->evidence[i].name, incident->evidence[i].value);
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
}

static void write_seen(const bal_ledger *ledger, bal_json_out *out) {
    bal_json_out_key(out, "seen");
    bal_json_out_array(out);
    for (int32_t i = 0; i < ledger->n_kept; i++) {
        if (is_first_of_its_kind(ledger, i)) write_group(ledger, i, out);
    }
    bal_json_out_array_end(out);
    bal_json_out_named_integer(out, "not_listed", ledger->incidents - ledger->n_kept);
}

/* ---- what was tried ---- */

static const char *result_of(const bal_attempt *attempt) {
    switch (attempt->result) {
    case BAL_ATTEMPT_ACCEPTED:
        return "accepted";
    case BAL_ATTEMPT_FAILED:
        return "another incident followed";
    default:
        return "the run ended on probation";
    }
}

static void write_tried(const bal_ledger *ledger, const char *const *tried, int32_t n_tried,
                        bal_json_out *out) {
    bal_json_out_named_integer(out, "rollbacks", ledger->rollbacks);
    bal_json_out_key(out, "tried");
    bal_json_out_array(out);
    for (int32_t i = 0; i < ledger->n_attempts; i++) {
        const bal_attempt *attempt = &ledger->attempt[i];
        bal_json_out_object(out);
        bal_json_out_named_string(out, "remedy",
                                  attempt->remedy < n_tried ? tried[attempt->remedy] : NULL);
        bal_json_out_named_string(out, "because", attempt->detector);
        bal_json_out_named_integer(out, "epoch", attempt->epoch);
        bal_json_out_named_integer(out, "step", attempt->step);
        bal_json_out_named_string(out, "result", result_of(attempt));
        bal_json_out_object_end(out);
    }
    bal_json_out_array_end(out);
}

void bal_guard_health_json(const bal_guard *guard, const char *const *tried, int32_t n_tried,
                           const char *outcome, bal_text *out) {
    const char *verdict = verdict_of(guard, outcome);
    bal_json_out json;
    bal_json_out_init(&json, out, 2);
    bal_json_out_object(&json);
    bal_json_out_named_string(&json, "verdict", verdict);
    bal_json_out_named_string(&json, "outcome", outcome);
    bal_json_out_named_string(&json, "policy", bal_guard_policy_name(guard->policy));
    write_summary(guard, verdict, &json);
    write_counts(guard, &json);
    write_seen(&guard->ledger, &json);
    bal_hypotheses_write(guard, &json);
    bal_json_out_named_string(&json, "note",
                              "Hypotheses are ranked by how well they fit what was seen; none of "
                              "them is proved.");
    write_tried(&guard->ledger, tried, n_tried, &json);
    bal_json_out_object_end(&json);
    bal_text_puts(out, "\n");
}
