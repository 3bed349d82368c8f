/* The guard: detectors in, one verdict out. What is decided here is policy, probation and the count
 * of rollbacks; what is wrong with a run is the detectors' business, what is kept across rollbacks
 * is in guard_state.c. See guard.h. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "guard/guard_private.h"

const char *bal_guard_policy_name(bal_guard_policy policy) {
    static const char *const names[] = {"off", "warn", "stop", "recover"};
    return (unsigned)policy <= BAL_GUARD_RECOVER ? names[policy] : "unknown";
}

/* ---- settings ---- */

static int32_t count_options(const bal_detector *detector) {
    int32_t n = 0;
    while (detector->options[n].name)
        n++;
    return n;
}

static bal_status unknown_name(const char *what, const char *name, const char *const *known,
                               bal_error *err) {
    const char *nearest = bal_text_nearest(name, known);
    return bal_fail(err, BAL_ERECIPE, "guard: there is no %s '%s'%s%s%s", what, name,
                    nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}

static bal_status unknown_detector(const char *name, bal_error *err) {
    const char *known[BAL_DETECTOR_COUNT + 1] = {NULL};
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++)
        known[i] = bal_detector_table[i]->name;
    return unknown_name("detector", name, known, err);
}

static bal_status unknown_option(const bal_detector *detector, const char *name, bal_error *err) {
    enum { MOST = 16 };
    const char *known[MOST + 1] = {NULL};
    for (int32_t i = 0; i < MOST && detector->options[i].name; i++)
        known[i] = detector->options[i].name;
    char what[64];
    snprintf(what, sizeof what, "option of detector %s called", detector->name);
    return unknown_name(what, name, known, err);
}

static bal_status set_option(bal_watch *watch, const char *name, double value, bal_error *err) {
    const bal_detector_option *options = watch->detector->options;
    for (int32_t i = 0; options[i].name; i++) {
        if (strcmp(options[i].name, name) != 0) continue;
        bool fits = value >= options[i].min && value <= options[i].max;
        if (!fits || (options[i].whole && value != floor(value)))
            return bal_fail(err, BAL_ERECIPE, "guard: %s.%s is %g; wanted a %snumber from %g to %g",
                            watch->detector->name, name, value, options[i].whole ? "whole " : "",
                            options[i].min, options[i].max);
        watch->option[i] = value;
        return BAL_OK;
    }
    return unknown_option(watch->detector, name, err);
}

static bal_status apply_settings(bal_guard *guard, const bal_guard_options *options,
                                 bal_error *err) {
    for (int32_t i = 0; i < options->n_settings; i++) {
        const bal_detector_setting *setting = &options->settings[i];
        int32_t index = bal_detector_index(setting->detector);
        if (index < 0) return unknown_detector(setting->detector, err);
        bal_watch *watch = &guard->watch[index];
        watch->enabled = setting->enabled;
        for (int32_t o = 0; o < setting->n_options; o++)
            BAL_TRY(set_option(watch, setting->option[o], setting->value[o], err));
    }
    return BAL_OK;
}

static bal_status check_head(const bal_guard_head *head, bal_error *err) {
    if ((unsigned)head->kind >= BAL_HEAD_KIND_COUNT || head->classes < 1)
        return bal_fail(err, BAL_EINVAL, "guard: head '%s' has kind %d and %d classes", head->name,
                        (int)head->kind, (int)head->classes);
    if (head->kind == BAL_HEAD_VALUE) return BAL_OK;
    double sum = 0;
    for (int32_t c = 0; head->prior && c < head->classes; c++) {
        if (!(head->prior[c] >= 0))
            return bal_fail(err, BAL_EINVAL,
                            "guard: head '%s': the training "
                            "prior of class %d is %g",
                            head->name, (int)c, head->prior[c]);
        sum += head->prior[c];
    }
    if (fabs(sum - 1) > 1e-6)
        return bal_fail(
            err, BAL_EINVAL,
            "guard: the training prior of head '%s' sums to %g; wanted frequencies with "
            "sum 1",
            head->name, sum);
    return BAL_OK;
}

static bal_status check_rule(const bal_guard_rule *rule, bal_error *err) {
    static const char *const ops[] = {"<", "<=", ">", ">=", "==", "!="};
    bool known = false;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        known |= strcmp(rule->op, ops[i]) == 0;
    if (!known || isnan(rule->value))
        return bal_fail(
            err, BAL_ERECIPE,
            "guard: rule '%s': wanted METRIC OP NUMBER with OP one of < <= > >= == !=", rule->text);
    return BAL_OK;
}

static bal_status check(const bal_guard_options *options, bal_error *err) {
    bool counts = options->n_heads > 0 && options->n_rules >= 0 && options->n_settings >= 0 &&
                  options->n_remedies >= 0 && options->max_rollbacks >= 0;
    if (!counts || (unsigned)options->policy > BAL_GUARD_RECOVER)
        return bal_fail(
            err, BAL_EINVAL,
            "guard: policy %d, %d heads, %d rules, %d settings, %d remedies, at most %d "
            "rollbacks; wanted a known policy, one head or more, and no negative count",
            (int)options->policy, (int)options->n_heads, (int)options->n_rules,
            (int)options->n_settings, (int)options->n_remedies, (int)options->max_rollbacks);
    for (int32_t h = 0; h < options->n_heads; h++)
        BAL_TRY(check_head(&options->heads[h], err));
    for (int32_t r = 0; r < options->n_rules; r++)
        BAL_TRY(check_rule(&options->rules[r], err));
    return BAL_OK;
}

/* ---- making ---- */

/* Zeroed array in the guard's arena; false when out of memory. */
#define TAKE(guard, field, count)                                                                  \
    (((guard)->field =                                                                             \
          bal_arena_alloc(&(guard)->arena, (size_t)(count), sizeof *(guard)->field)) != NULL)

static bool take_watches(bal_guard *guard) {
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++) {
        bal_watch *watch = &guard->watch[i];
        watch->detector = bal_detector_table[i];
        watch->enabled = true;
        int32_t n = count_options(watch->detector);
        watch->option = bal_arena_alloc(&guard->arena, (size_t)n, sizeof *watch->option);
        if (!watch->option) return false;
        for (int32_t o = 0; o < n; o++)
            watch->option[o] = watch->detector->options[o].value;
    }
    return true;
}

static bool take(bal_guard *guard, const bal_guard_options *options) {
    int32_t n_heads = guard->n_heads = options->n_heads,
            n_rules = guard->n_rules = options->n_rules;
    /* Per evaluation: every detector once per head, at most, and every rule. */
    guard->incidents_max = BAL_DETECTOR_COUNT * (n_heads + 1) + n_rules;
    return TAKE(guard, heads, n_heads) && TAKE(guard, prior_entropy, n_heads) &&
           TAKE(guard, views, n_heads) && TAKE(guard, rules, n_rules) &&
           TAKE(guard, incidents, guard->incidents_max) &&
           TAKE(guard, ledger.facts.skill_best, n_heads) && take_watches(guard);
}

static void start_facts(bal_guard *guard) {
    bal_facts *facts = &guard->ledger.facts;
    facts->loss_first = facts->loss_peak = facts->norm_first = facts->norm_peak = NAN;
    facts->dead_peak = NAN;
    for (int32_t h = 0; h < guard->n_heads; h++)
        facts->skill_best[h] = NAN;
}

static bal_status fill(bal_guard *guard, const bal_guard_options *options, bal_error *err) {
    if (!take(guard, options)) return bal_fail_memory(err, sizeof *guard);
    guard->policy = options->policy;
    guard->n_remedies = options->n_remedies;
    guard->remedies =
        bal_arena_alloc(&guard->arena, (size_t)options->n_remedies + 1, sizeof *guard->remedies);
    if (!guard->remedies) return bal_fail_memory(err, (size_t)options->n_remedies);
    for (int32_t i = 0; i < options->n_remedies && options->remedies; i++)
        guard->remedies[i] = options->remedies[i];
    guard->max_rollbacks = options->max_rollbacks;
    for (int32_t h = 0; h < guard->n_heads; h++) {
        guard->heads[h] = options->heads[h];
        guard->prior_entropy[h] = bal_prior_entropy(&guard->heads[h]);
        bal_head_view_fill(&guard->views[h], &guard->heads[h], guard->prior_entropy[h], NULL, NAN);
    }
    for (int32_t r = 0; r < guard->n_rules; r++)
        guard->rules[r] = options->rules[r];
    BAL_TRY(apply_settings(guard, options, err));
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++) {
        bal_watch *watch = &guard->watch[i];
        watch->state = bal_watch_open(guard, watch);
        if (!watch->state) return bal_fail_memory(err, sizeof *guard);
    }
    start_facts(guard);
    guard->ledger.upright = true;
    bal_guard_rebaseline(guard);
    return BAL_OK;
}

bal_status bal_guard_new(const bal_guard_options *options, bal_guard **ret_guard, bal_error *err) {
    BAL_TRY(check(options, err));
    bal_guard *guard = bal_calloc(1, sizeof *guard);
    if (!guard) return bal_fail_memory(err, sizeof *guard);
    bal_status status = fill(guard, options, err);
    if (status != BAL_OK) {
        bal_guard_free(guard);
        return status;
    }
    *ret_guard = guard;
    return BAL_OK;
}

void bal_guard_free(bal_guard *guard) {
    if (!guard) return;
    bal_arena_release(&guard->arena);
    bal_free(guard);
}

void bal_guard_rebaseline(bal_guard *guard) {
    guard->evaluations = 0;
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++)
        bal_watch_reset(guard, &guard->watch[i]);
}

/* ---- what detectors ask ---- */

bal_arena *bal_guard_arena(bal_guard *guard) {
    return &guard->arena;
}

int32_t bal_guard_heads(const bal_guard *guard) {
    return guard->n_heads;
}

const bal_head_view *bal_guard_view(const bal_guard *guard, int32_t h) {
    return &guard->views[h];
}

int64_t bal_guard_evaluations(const bal_guard *guard) {
    return guard->evaluations;
}

int32_t bal_guard_rules(const bal_guard *guard) {
    return guard->n_rules;
}

const bal_guard_rule *bal_guard_rule_at(const bal_guard *guard, int32_t rule) {
    return &guard->rules[rule];
}

bool bal_guard_swings(const bal_guard *guard, int32_t head) {
    return bal_head_swings(&guard->watch[bal_detector_index("swing")], head);
}

int64_t bal_guard_incidents(const bal_guard *guard) {
    return guard->ledger.incidents;
}

int32_t bal_guard_rollbacks(const bal_guard *guard) {
    return guard->ledger.rollbacks;
}

bool bal_guard_is_upright(const bal_guard *guard) {
    return guard->ledger.upright;
}

bool bal_guard_needs_snapshots(const bal_guard *guard) {
    if (guard->policy == BAL_GUARD_OFF) return false;
    if (guard->policy == BAL_GUARD_RECOVER) return true;
    for (int32_t r = 0; r < guard->n_rules; r++) {
        if (guard->rules[r].has_action && guard->rules[r].action == BAL_GUARD_RECOVER) return true;
    }
    return false;
}

bal_incident *bal_guard_fire(bal_guard *guard, const bal_watch *watch, bal_severity severity) {
    assert(guard->n_incidents < guard->incidents_max);
    bal_incident *incident = &guard->incidents[guard->n_incidents++];
    *incident = (bal_incident){
        .epoch = guard->epoch,
        .step = guard->step,
        .evaluation = guard->evaluation,
        .action = severity == BAL_ONLY_NOTE ? BAL_GUARD_WARN : guard->policy,
    };
    bal_copy_text(incident->detector, sizeof incident->detector, watch->detector->name);
    return incident;
}

/* ---- deciding ---- */

static void begin(bal_guard *guard, int64_t epoch, int64_t step) {
    guard->epoch = epoch;
    guard->step = step;
    guard->n_incidents = 0;
}

/* The strongest action that an incident asks for, and the first incident that does. An explicit
 * stop goes before a recovery: what the recipe wants to see stopped is not tried again. */
static const bal_incident *strongest(const bal_guard *guard) {
    static const int rank[] = {
        [BAL_GUARD_OFF] = 0, [BAL_GUARD_WARN] = 1, [BAL_GUARD_RECOVER] = 2, [BAL_GUARD_STOP] = 3};
    const bal_incident *found = NULL;
    for (int32_t i = 0; i < guard->n_incidents; i++) {
        const bal_incident *incident = &guard->incidents[i];
        if (!found || rank[incident->action] > rank[found->action]) found = incident;
    }
    return found;
}

static void record(bal_guard *guard) {
    bal_ledger *ledger = &guard->ledger;
    ledger->incidents += guard->n_incidents;
    for (int32_t i = 0; i < guard->n_incidents; i++) {
        const bal_incident *incident = &guard->incidents[i];
        ledger->count[bal_detector_index(incident->detector)]++;
        if (ledger->n_kept < BAL_INCIDENTS_KEPT) ledger->kept[ledger->n_kept++] = *incident;
    }
}

static void end_probation(bal_ledger *ledger, bal_attempt_result result) {
    if (!ledger->on_probation) return;
    ledger->on_probation = false;
    bool kept = ledger->n_attempts == ledger->rollbacks;
    if (kept && ledger->n_attempts > 0) ledger->attempt[ledger->n_attempts - 1].result = result;
}

/* ---- remedies ---- */

enum { UNEVEN = 10 }; /* class weights that differ by more rule the loss */

/* Whether class weights may be what concentrates the predictions an incident is about. */
static bool blames_weights(const bal_guard *guard, const bal_incident *cause) {
    static const char *const of_predictions[] = {"one_class", "class_lost", "input_blind",
                                                 "mean_collapse", "too_good_loss"};
    bool predictions = false;
    for (size_t i = 0; i < sizeof of_predictions / sizeof *of_predictions; i++)
        predictions |= strcmp(cause->detector, of_predictions[i]) == 0;
    for (int32_t h = 0; predictions && h < guard->n_heads; h++) {
        const bal_guard_head *head = &guard->heads[h];
        if (strcmp(head->name, cause->head) == 0) return bal_head_weight_ratio(head) > UNEVEN;
    }
    return false;
}

static bool is_used(const bal_ledger *ledger, int32_t remedy) {
    for (int32_t i = 0; i < ledger->n_attempts; i++)
        if (ledger->attempt[i].remedy == remedy) return true;
    return false;
}

/* The remedy to try next, each once; −1: none left. */
static int32_t choose_remedy(const bal_guard *guard, const bal_incident *cause) {
    bool weights_first = blames_weights(guard, cause);
    int32_t chosen = -1;
    for (int32_t i = 0; i < guard->n_remedies; i++) {
        bal_remedy_aim aim = guard->remedies[i];
        if (aim == BAL_REMEDY_NOTHING || is_used(&guard->ledger, i)) continue;
        if (weights_first && aim == BAL_REMEDY_WEIGHTS) return i;
        if (chosen < 0) chosen = i;
    }
    return chosen;
}

/* The next remedy, or none left. `evaluation`: the one at or before which the incident happened. */
static void recover(bal_guard *guard, const bal_incident *cause, int64_t evaluation,
                    bal_decision *decision) {
    bal_ledger *ledger = &guard->ledger;
    decision->relapse = ledger->on_probation;
    end_probation(ledger, BAL_ATTEMPT_FAILED);
    int32_t remedy = choose_remedy(guard, cause);
    if (ledger->rollbacks >= guard->max_rollbacks || ledger->n_attempts == BAL_ROLLBACKS_KEPT ||
        remedy < 0) {
        decision->verdict = BAL_VERDICT_GIVE_UP;
        ledger->gave_up = true;
        return;
    }
    decision->verdict = BAL_VERDICT_ROLLBACK;
    decision->remedy = remedy;
    ledger->rollbacks++;
    ledger->upright = false;
    bal_attempt *attempt = &ledger->attempt[ledger->n_attempts++];
    *attempt = (bal_attempt){
        .epoch = cause->epoch, .step = cause->step, .evaluation = evaluation, .remedy = remedy};
    bal_copy_text(attempt->detector, sizeof attempt->detector, cause->detector);
    ledger->on_probation = true;
    int64_t end = evaluation + BAL_GUARD_PROBATION;
    if (end > ledger->probation_end) ledger->probation_end = end;
}

static void decide(bal_guard *guard, int64_t evaluation, bal_decision *decision) {
    record(guard);
    decision->incidents = guard->incidents;
    decision->n_incidents = guard->n_incidents;
    const bal_incident *cause = strongest(guard);
    if (!cause) return;
    switch (cause->action) {
    case BAL_GUARD_RECOVER:
        recover(guard, cause, evaluation, decision);
        break;
    case BAL_GUARD_STOP:
        decision->verdict = BAL_VERDICT_STOP;
        break;
    default:
        decision->verdict = BAL_VERDICT_WARN;
        break;
    }
}

/* ---- steps and evaluations ---- */

void bal_fact_first(double *first, double value) {
    if (isnan(*first) && isfinite(value)) *first = value;
}

void bal_fact_peak(double *peak, double value) {
    if (isfinite(value) && !(value <= *peak)) *peak = value;
}

static void learn_step(bal_facts *facts, const bal_step_signals *signals) {
    facts->skipped += !isfinite(signals->loss) || !isfinite(signals->grad_norm);
    bal_fact_first(&facts->loss_first, signals->loss);
    bal_fact_peak(&facts->loss_peak, signals->loss);
    bal_fact_first(&facts->norm_first, signals->grad_norm);
    bal_fact_peak(&facts->norm_peak, signals->grad_norm);
}

bal_decision bal_guard_step(bal_guard *guard, const bal_step_signals *signals) {
    bal_decision decision = {.verdict = BAL_VERDICT_GO, .ineligible_reason = ""};
    if (guard->policy == BAL_GUARD_OFF) return decision;
    begin(guard, signals->epoch, signals->step);
    learn_step(&guard->ledger.facts, signals);
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++) {
        const bal_watch *watch = &guard->watch[i];
        if (watch->enabled) bal_watch_step(guard, watch, signals);
    }
    decide(guard, guard->evaluation + 1, &decision);
    return decision;
}

static void look(bal_guard *guard, const bal_eval_signals *signals) {
    for (int32_t h = 0; h < guard->n_heads; h++) {
        bal_head_view *view = &guard->views[h];
        bal_head_view_fill(view, &guard->heads[h], guard->prior_entropy[h], signals->scores[h],
                           signals->head_loss[h]);
        view->train_loss = signals->head_train_loss ? signals->head_train_loss[h] : NAN;
    }
}

/* The scores end with the evaluation; what is left must not point to them. */
static void look_away(bal_guard *guard) {
    for (int32_t h = 0; h < guard->n_heads; h++)
        bal_head_view_fill(&guard->views[h], &guard->heads[h], guard->prior_entropy[h], NULL, NAN);
}

static void learn_evaluation(bal_guard *guard, const bal_eval_signals *signals) {
    bal_facts *facts = &guard->ledger.facts;
    bal_fact_peak(&facts->dead_peak, signals->dead_share);
    for (int32_t h = 0; h < guard->n_heads; h++)
        bal_fact_peak(&facts->skill_best[h], guard->views[h].skill);
}

static bool run_detectors(bal_guard *guard, const bal_eval_signals *signals) {
    bool suspect = false;
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++) {
        const bal_watch *watch = &guard->watch[i];
        if (watch->enabled) suspect |= bal_watch_evaluate(guard, watch, signals);
    }
    return suspect;
}

bal_decision bal_guard_evaluate(bal_guard *guard, const bal_eval_signals *signals) {
    bal_decision decision = {.verdict = BAL_VERDICT_GO};
    begin(guard, signals->epoch, signals->step);
    guard->evaluation = signals->evaluation;
    guard->evaluations++;
    look(guard, signals);
    bool suspect = false;
    if (guard->policy != BAL_GUARD_OFF) {
        learn_evaluation(guard, signals);
        suspect = run_detectors(guard, signals);
        decide(guard, signals->evaluation, &decision);
    }
    bool sound = bal_guard_is_sound(guard);
    decision.healthy = sound && !suspect;
    decision.eligible = bal_guard_is_eligible(guard, signals);
    decision.ineligible_reason = guard->reason;
    bal_ledger *ledger = &guard->ledger;
    if (decision.eligible && decision.verdict != BAL_VERDICT_ROLLBACK) ledger->upright = true;
    if (decision.healthy && ledger->on_probation && signals->evaluation >= ledger->probation_end) {
        end_probation(ledger, BAL_ATTEMPT_ACCEPTED);
        decision.accepted = true;
    }
    look_away(guard);
    return decision;
}
