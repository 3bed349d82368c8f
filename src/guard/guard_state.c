/* The guard's memory and ledger as JSON. The memory goes with a snapshot and comes back with a
 * rollback; the ledger only goes into checkpoints. Both are checked completely before anything is
 * replaced, so that a damaged checkpoint leaves the guard as it was. */
#include <string.h>

#include "base/error.h"
#include "guard/guard_private.h"

enum { VERSION = 1 };

static const char memory_format[] = "ballast-guard-memory";
static const char ledger_format[] = "ballast-guard-ledger";

typedef void (*visit_fn)(bal_guard *guard, const bal_watch *watch, bal_state_stream *stream);

/* ---- writing ---- */

static void write_list(bal_json_out *out, const char *key, visit_fn visit, const bal_guard *guard,
                       const bal_watch *watch) {
    bal_state_stream stream = {.mode = BAL_STREAM_SAVE, .out = out};
    bal_json_out_key(out, key);
    bal_json_out_row(out);
    /* Saving reads only; one list of fields serves both directions, hence the cast. */
    visit((bal_guard *)guard, watch, &stream);
    bal_json_out_array_end(out);
}

static void write_opening(bal_json_out *json, bal_text *out, const char *format) {
    bal_json_out_init(json, out, BAL_JSON_TIGHT);
    bal_json_out_object(json);
    bal_json_out_named_string(json, "format", format);
    bal_json_out_named_integer(json, "version", VERSION);
}

/* ---- reading ---- */

static bal_status parse(const char *bytes, size_t size, const char *format, json_t **ret_root,
                        bal_error *err) {
    json_t *root;
    BAL_TRY(bal_json_parse(bytes, size, format, &root, err));
    const char *found = json_string_value(json_object_get(root, "format"));
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    if (!found || strcmp(found, format) != 0 || version != VERSION) {
        bal_status status =
            bal_fail(err, BAL_EFORMAT, "wanted %s version %d, found '%.40s' version %lld", format,
                     VERSION, found ? found : "", (long long)version);
        json_decref(root);
        return status;
    }
    *ret_root = root;
    return BAL_OK;
}

/* One pass over a list, checking or loading. */
static bal_status read_list(const json_t *root, const char *key, bal_stream_mode mode,
                            visit_fn visit, bal_guard *guard, const bal_watch *watch,
                            bal_error *err) {
    const json_t *list = json_object_get(root, key);
    if (!json_is_array(list))
        return bal_fail(err, BAL_EFORMAT, "guard state: the list \"%s\" is missing", key);
    bal_state_stream stream = {.mode = mode, .list = list};
    visit(guard, watch, &stream);
    if (stream.problem)
        return bal_fail(err, BAL_EFORMAT, "guard state: item %zu of \"%s\" %s", stream.next, key,
                        stream.problem);
    if (stream.next != json_array_size(list))
        return bal_fail(
            err, BAL_EFORMAT,
            "guard state: \"%s\" has %zu items, wanted %zu: it belongs to another recipe", key,
            json_array_size(list), stream.next);
    return BAL_OK;
}

/* ---- memory ---- */

static void visit_counters(bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    bal_stream_i64(stream, &guard->evaluation, 0, INT64_MAX - 1);
    bal_stream_i64(stream, &guard->evaluations, 0, INT64_MAX - 1);
}

static void visit_detector(bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    bal_watch_visit(guard, watch, stream);
}

void bal_guard_save_memory(const bal_guard *guard, bal_text *out) {
    bal_json_out json;
    write_opening(&json, out, memory_format);
    write_list(&json, "counters", visit_counters, guard, NULL);
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++)
        write_list(&json, guard->watch[i].detector->name, visit_detector, guard, &guard->watch[i]);
    bal_json_out_object_end(&json);
}

static bal_status pass_memory(bal_guard *guard, const json_t *root, bal_stream_mode mode,
                              bal_error *err) {
    BAL_TRY(read_list(root, "counters", mode, visit_counters, guard, NULL, err));
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++)
        BAL_TRY(read_list(root, guard->watch[i].detector->name, mode, visit_detector, guard,
                          &guard->watch[i], err));
    return BAL_OK;
}

bal_status bal_guard_load_memory(bal_guard *guard, const char *bytes, size_t size, bal_error *err) {
    json_t *root;
    BAL_TRY(parse(bytes, size, memory_format, &root, err));
    bal_status status = pass_memory(guard, root, BAL_STREAM_CHECK, err);
    if (status == BAL_OK) status = pass_memory(guard, root, BAL_STREAM_LOAD, err);
    json_decref(root);
    return status;
}

/* ---- ledger ---- */

static void visit_totals(bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    bal_ledger *ledger = &guard->ledger;
    bal_stream_i64(stream, &ledger->incidents, 0, INT64_MAX - 1);
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++)
        bal_stream_i64(stream, &ledger->count[i], 0, INT64_MAX - 1);
    bal_stream_i32(stream, &ledger->rollbacks, 0, INT32_MAX - 1);
    bal_stream_flag(stream, &ledger->on_probation);
    bal_stream_i64(stream, &ledger->probation_end, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &ledger->gave_up);
    bal_stream_flag(stream, &ledger->upright);
}

static void visit_facts(bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    bal_facts *facts = &guard->ledger.facts;
    bal_stream_i64(stream, &facts->skipped, 0, INT64_MAX - 1);
    bal_stream_double(stream, &facts->loss_first);
    bal_stream_double(stream, &facts->loss_peak);
    bal_stream_double(stream, &facts->norm_first);
    bal_stream_double(stream, &facts->norm_peak);
    bal_stream_double(stream, &facts->dead_peak);
    for (int32_t h = 0; h < guard->n_heads; h++)
        bal_stream_double(stream, &facts->skill_best[h]);
}

/* Five numbers per rollback; the detectors that led to them are a list of names beside. */
static void visit_attempt(bal_attempt *attempt, bal_state_stream *stream) {
    bal_stream_i64(stream, &attempt->epoch, 0, INT64_MAX - 1);
    bal_stream_i64(stream, &attempt->step, 0, INT64_MAX - 1);
    bal_stream_i64(stream, &attempt->evaluation, 0, INT64_MAX - 1);
    bal_stream_i32(stream, &attempt->remedy, 0, INT32_MAX - 1);
    int32_t result = (int32_t)attempt->result;
    bal_stream_i32(stream, &result, BAL_ATTEMPT_RUNNING, BAL_ATTEMPT_FAILED);
    attempt->result = (bal_attempt_result)result;
}

void bal_guard_save_ledger(const bal_guard *guard, bal_text *out) {
    const bal_ledger *ledger = &guard->ledger;
    bal_json_out json;
    write_opening(&json, out, ledger_format);
    write_list(&json, "totals", visit_totals, guard, NULL);
    write_list(&json, "facts", visit_facts, guard, NULL);
    bal_json_out_key(&json, "attempts");
    bal_json_out_array(&json);
    for (int32_t i = 0; i < ledger->n_attempts; i++) {
        bal_attempt attempt = ledger->attempt[i];
        bal_state_stream stream = {.mode = BAL_STREAM_SAVE, .out = &json};
        bal_json_out_row(&json);
        bal_json_out_string(&json, attempt.detector);
        visit_attempt(&attempt, &stream);
        bal_json_out_array_end(&json);
    }
    bal_json_out_array_end(&json);
    bal_json_out_key(&json, "kept");
    bal_json_out_array(&json);
    for (int32_t i = 0; i < ledger->n_kept; i++)
        bal_incident_write(&ledger->kept[i], "", &json);
    bal_json_out_array_end(&json);
    bal_json_out_object_end(&json);
}

static bal_status read_attempt(const json_t *list, bal_attempt *ret_attempt, bal_error *err) {
    const char *detector = json_string_value(json_array_get(list, 0));
    bal_attempt attempt = {0};
    if (detector && bal_detector_index(detector) >= 0) {
        bal_copy_text(attempt.detector, sizeof attempt.detector, detector);
        bal_state_stream stream = {.mode = BAL_STREAM_LOAD, .list = list, .next = 1};
        visit_attempt(&attempt, &stream);
        if (!stream.problem && stream.next == json_array_size(list)) {
            *ret_attempt = attempt;
            return BAL_OK;
        }
    }
    return bal_fail(err, BAL_EFORMAT, "guard ledger: a rollback is not described as it should be");
}

/* Attempts and incidents into the guard (LOAD) or nowhere (CHECK). */
static bal_status pass_records(bal_ledger *ledger, const json_t *root, bal_stream_mode mode,
                               bal_error *err) {
    const json_t *attempts = json_object_get(root, "attempts");
    const json_t *kept = json_object_get(root, "kept");
    size_t n_attempts = json_array_size(attempts), n_kept = json_array_size(kept);
    if (!json_is_array(attempts) || !json_is_array(kept) || n_attempts > BAL_ROLLBACKS_KEPT ||
        n_kept > BAL_INCIDENTS_KEPT)
        return bal_fail(err, BAL_EFORMAT,
                        "guard ledger: \"attempts\" or \"kept\" is missing or too long");
    for (size_t i = 0; i < n_attempts; i++) {
        bal_attempt attempt;
        BAL_TRY(read_attempt(json_array_get(attempts, i), &attempt, err));
        if (mode == BAL_STREAM_LOAD) ledger->attempt[i] = attempt;
    }
    for (size_t i = 0; i < n_kept; i++) {
        bal_incident incident;
        BAL_TRY(bal_incident_read(&incident, json_array_get(kept, i), err));
        if (mode == BAL_STREAM_LOAD) ledger->kept[i] = incident;
    }
    if (mode == BAL_STREAM_CHECK) return BAL_OK;
    ledger->n_attempts = (int32_t)n_attempts;
    ledger->n_kept = (int32_t)n_kept;
    return BAL_OK;
}

static bal_status pass_ledger(bal_guard *guard, const json_t *root, bal_stream_mode mode,
                              bal_error *err) {
    BAL_TRY(read_list(root, "totals", mode, visit_totals, guard, NULL, err));
    BAL_TRY(read_list(root, "facts", mode, visit_facts, guard, NULL, err));
    return pass_records(&guard->ledger, root, mode, err);
}

bal_status bal_guard_load_ledger(bal_guard *guard, const char *bytes, size_t size, bal_error *err) {
    json_t *root;
    BAL_TRY(parse(bytes, size, ledger_format, &root, err));
    bal_status status = pass_ledger(guard, root, BAL_STREAM_CHECK, err);
    if (status == BAL_OK) status = pass_ledger(guard, root, BAL_STREAM_LOAD, err);
    json_decref(root);
    return status;
}
