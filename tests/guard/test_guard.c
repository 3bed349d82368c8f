/* The guard around the detectors: policies, probation, remedies one after the other, what survives
 * a rollback and a restart, wrong settings, and running out of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "guard/detector_table.h"
#include "guard_lab.h"

static const int64_t four[] = {50, 50, 50, 50};
static const double even[] = {0.25, 0.25, 0.25, 0.25};

static lab_setup with(bal_guard_policy policy, int32_t remedies, int32_t rollbacks) {
    return (lab_setup){
        .kind = BAL_HEAD_CLASSES,
        .classes = 4,
        .support = four,
        .options = {.policy = policy, .n_remedies = remedies, .max_rollbacks = rollbacks},
        .off = policy == BAL_GUARD_OFF};
}

/* An evaluation of a diverse model, and one of a model that calls everything B. */
static bal_decision good(guard_lab *lab) {
    return lab_recall(lab, 0.8);
}

static bal_decision bad(guard_lab *lab) {
    lab_predict_all(lab, 1);
    return lab_evaluate(lab, 3);
}

/* ---- policies ---- */

static void policies_decide_what_is_done(void **state) {
    static const struct {
        bal_guard_policy policy;
        bal_verdict verdict;
    } cases[] = {{BAL_GUARD_OFF, BAL_VERDICT_GO},
                 {BAL_GUARD_WARN, BAL_VERDICT_WARN},
                 {BAL_GUARD_STOP, BAL_VERDICT_STOP},
                 {BAL_GUARD_RECOVER, BAL_VERDICT_ROLLBACK}};
    for (size_t i = 0; i < 4; i++) {
        lab_setup setup = with(cases[i].policy, 2, 2);
        guard_lab lab;
        lab_init(&lab, &setup);
        assert_true(good(&lab).healthy);
        bal_decision decision = bad(&lab);
        assert_int_equal(decision.verdict, cases[i].verdict);
        assert_int_equal(decision.n_incidents, cases[i].policy != BAL_GUARD_OFF);
        assert_int_equal(bal_guard_incidents(lab.guard), decision.n_incidents);
        if (decision.n_incidents) assert_int_equal(decision.incidents[0].action, cases[i].policy);
        assert_false(decision.healthy);
        assert_false(decision.eligible);
        assert_int_equal(bal_guard_needs_snapshots(lab.guard),
                         cases[i].policy == BAL_GUARD_RECOVER);
        lab_release(&lab);
    }
}

static void off_sees_nothing_in_steps(void **state) {
    lab_setup setup = with(BAL_GUARD_OFF, 2, 2);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 100; i++) {
        bal_decision decision = lab_step(&lab, NAN, NAN);
        assert_silent(decision);
    }
    assert_int_equal(bal_guard_incidents(lab.guard), 0);
    lab_release(&lab);
}

static void rules_may_have_their_own_action(void **state) {
    static const struct {
        bal_guard_policy policy, action;
        bal_verdict verdict;
        bool healthy, snapshots;
    } cases[] = {
        {BAL_GUARD_RECOVER, BAL_GUARD_WARN, BAL_VERDICT_WARN, true, true},
        {BAL_GUARD_RECOVER, BAL_GUARD_STOP, BAL_VERDICT_STOP, false, true},
        {BAL_GUARD_RECOVER, BAL_GUARD_OFF, BAL_VERDICT_GO, true, true},
        {BAL_GUARD_WARN, BAL_GUARD_RECOVER, BAL_VERDICT_ROLLBACK, false, true},
        {BAL_GUARD_STOP, BAL_GUARD_WARN, BAL_VERDICT_WARN, true, false},
        {BAL_GUARD_OFF, BAL_GUARD_RECOVER, BAL_VERDICT_GO, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_guard_rule rule = {
            .text = "a rule", .op = ">", .value = 0, .has_action = true, .action = cases[i].action};
        lab_setup setup = with(cases[i].policy, 2, 2);
        setup.options.rules = &rule;
        setup.options.n_rules = 1;
        guard_lab lab;
        lab_init(&lab, &setup);
        lab.rule_value = 1;
        bal_decision decision = good(&lab);
        assert_int_equal(decision.verdict, cases[i].verdict);
        assert_int_equal(decision.healthy, cases[i].healthy);
        assert_int_equal(bal_guard_needs_snapshots(lab.guard), cases[i].snapshots);
        if (decision.n_incidents) assert_int_equal(decision.incidents[0].action, cases[i].action);
        lab_release(&lab);
    }
}

/* A rule that wants to stop and a detector that wants to recover, at the same evaluation. */
static void stop_goes_before_recovery(void **state) {
    bal_guard_rule rule = {
        .text = "a rule", .op = ">", .has_action = true, .action = BAL_GUARD_STOP};
    lab_setup setup = with(BAL_GUARD_RECOVER, 2, 2);
    setup.options.rules = &rule;
    setup.options.n_rules = 1;
    guard_lab lab;
    lab_init(&lab, &setup);
    good(&lab);
    lab.rule_value = 1;
    bal_decision decision = bad(&lab);
    assert_int_equal(decision.n_incidents, 2);
    assert_int_equal(decision.verdict, BAL_VERDICT_STOP);
    assert_int_equal(bal_guard_rollbacks(lab.guard), 0);
    lab_release(&lab);
}

static void untrained_heads_are_left_alone(void **state) {
    lab_setup setup = with(BAL_GUARD_STOP, 0, 0);
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_guard_free(lab.guard);
    lab.head.untrained = true;
    lab.guard = lab_twin(&lab, &setup);
    for (int i = 0; i < 6; i++) {
        bal_decision decision = bad(&lab);
        assert_silent(decision);
        assert_true(decision.eligible);
    }
    lab_release(&lab);
}

static void eligible_beats_the_prior_strictly(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, 0, 0);
    guard_lab lab;
    lab_init(&lab, &setup);
    static const struct {
        double value, prior;
        bool smaller, eligible;
    } cases[] = {{0.6, 0.5, false, true}, {0.5, 0.5, false, false}, {0.4, 0.5, false, false},
                 {0.4, 0.5, true, true},  {0.5, 0.5, true, false},  {NAN, 0.5, false, false},
                 {0.4, NAN, false, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lab.monitored = cases[i].value;
        lab.monitored_prior = cases[i].prior;
        lab.smaller_is_better = cases[i].smaller;
        bal_decision decision = good(&lab);
        assert_int_equal(decision.eligible, cases[i].eligible);
        assert_int_equal(decision.ineligible_reason[0] == '\0', cases[i].eligible);
        assert_true(decision.healthy); /* worse than the prior is no collapse */
    }
    lab_release(&lab);
}

/* ---- recovery ---- */

typedef struct snapshot {
    bal_text memory;
    int64_t epoch, step, evaluation;
} snapshot;

static void keep(const guard_lab *lab, snapshot *kept) {
    bal_text_clear(&kept->memory);
    bal_guard_save_memory(lab->guard, &kept->memory);
    assert_false(bal_text_failed(&kept->memory));
    kept->epoch = lab->epoch;
    kept->step = lab->step;
    kept->evaluation = lab->evaluation;
}

static void roll_back(guard_lab *lab, const snapshot *kept) {
    bal_error err = {0};
    if (bal_guard_load_memory(lab->guard, kept->memory.data, kept->memory.length, &err) != BAL_OK)
        fail_msg("%s", err.message);
    lab->epoch = kept->epoch;
    lab->step = kept->step;
    lab->evaluation = kept->evaluation;
}

static void recovery_is_accepted_after_probation(void **state) {
    lab_setup setup = with(BAL_GUARD_RECOVER, 3, 3);
    guard_lab lab;
    snapshot healthy = {{0}, 0, 0, 0};
    lab_init(&lab, &setup);
    good(&lab);
    good(&lab);
    keep(&lab, &healthy); /* at evaluation 2 */
    good(&lab);
    bal_decision decision = bad(&lab); /* 4 */
    assert_int_equal(decision.verdict, BAL_VERDICT_ROLLBACK);
    assert_int_equal(decision.remedy, 0);
    assert_false(decision.relapse);
    roll_back(&lab, &healthy);
    for (int evaluation = 3; evaluation <= 9; evaluation++) {
        decision = good(&lab);
        assert_silent(decision);
        assert_int_equal(lab.evaluation, evaluation);
        assert_int_equal(decision.accepted, evaluation == 4 + BAL_GUARD_PROBATION);
    }
    decision = bad(&lab); /* later trouble takes the next remedy */
    assert_int_equal(decision.verdict, BAL_VERDICT_ROLLBACK);
    assert_int_equal(decision.remedy, 1);
    assert_false(decision.relapse);
    assert_int_equal(bal_guard_rollbacks(lab.guard), 2);
    assert_int_equal(bal_guard_incidents(lab.guard), 2);
    bal_text_release(&healthy.memory);
    lab_release(&lab);
}

/* Every try collapses again; the third is given up. */
/* Class weights go first where they may be the cause; what has nothing to work on is left out. */
static void remedies_that_fit_come_first(void **state) {
    static const double skewed[] = {1, 5000, 1, 1}, level[] = {1, 2, 1, 1};
    static const bal_remedy_aim aims[] = {BAL_REMEDY_NOTHING, BAL_REMEDY_STEPS, BAL_REMEDY_WEIGHTS};
    static const struct {
        const double *weights;
        int32_t order[2];
    } cases[] = {{skewed, {2, 1}}, {level, {1, 2}}, {NULL, {1, 2}}};
    for (size_t i = 0; i < 3; i++) {
        lab_setup setup = with(BAL_GUARD_RECOVER, 3, 5);
        setup.options.remedies = aims;
        setup.class_weights = cases[i].weights;
        guard_lab lab;
        snapshot healthy = {{0}, 0, 0, 0};
        lab_init(&lab, &setup);
        good(&lab);
        keep(&lab, &healthy);
        for (int attempt = 0; attempt < 2; attempt++) {
            bal_decision decision = bad(&lab);
            assert_int_equal(decision.verdict, BAL_VERDICT_ROLLBACK);
            assert_int_equal(decision.remedy, cases[i].order[attempt]);
            roll_back(&lab, &healthy);
        }
        assert_int_equal(bad(&lab).verdict, BAL_VERDICT_GIVE_UP);
        bal_text_release(&healthy.memory);
        lab_release(&lab);
    }
}

static void remedies_run_out(void **state) {
    for (int limit = 0; limit < 2; limit++) {
        lab_setup setup = with(BAL_GUARD_RECOVER, limit ? 5 : 2, limit ? 2 : 5);
        guard_lab lab;
        snapshot healthy = {{0}, 0, 0, 0};
        lab_init(&lab, &setup);
        good(&lab);
        keep(&lab, &healthy);
        for (int attempt = 0; attempt <= 2; attempt++) {
            bal_decision decision = bad(&lab);
            assert_int_equal(decision.verdict,
                             attempt < 2 ? BAL_VERDICT_ROLLBACK : BAL_VERDICT_GIVE_UP);
            if (attempt < 2) assert_int_equal(decision.remedy, attempt);
            assert_false(decision.accepted);
            roll_back(&lab, &healthy);
        }
        assert_int_equal(bal_guard_rollbacks(lab.guard), 2);
        bal_text_release(&healthy.memory);
        lab_release(&lab);
    }
}

static void probation_reaches_beyond_the_latest_incident(void **state) {
    lab_setup setup = with(BAL_GUARD_RECOVER, 3, 3);
    guard_lab lab;
    snapshot healthy = {{0}, 0, 0, 0};
    lab_init(&lab, &setup);
    good(&lab);
    keep(&lab, &healthy);
    for (int i = 0; i < 5; i++)
        good(&lab);
    bad(&lab); /* at 7: probation ends at 10 */
    roll_back(&lab, &healthy);
    assert_true(bad(&lab).relapse); /* at 2, on probation: that does not shorten it */
    roll_back(&lab, &healthy);
    for (int evaluation = 2; evaluation <= 11; evaluation++) {
        bal_decision decision = good(&lab);
        assert_int_equal(decision.accepted, evaluation == 10);
    }
    bal_text_release(&healthy.memory);
    lab_release(&lab);
}

static void notes_do_not_end_a_probation(void **state) {
    lab_setup setup = with(BAL_GUARD_RECOVER, 3, 3);
    guard_lab lab;
    snapshot healthy = {{0}, 0, 0, 0};
    lab_init(&lab, &setup);
    good(&lab);
    keep(&lab, &healthy);
    bad(&lab); /* at 2 */
    roll_back(&lab, &healthy);
    bal_decision decision = lab_step(&lab, NAN, 1);
    assert_int_equal(decision.verdict, BAL_VERDICT_WARN);
    for (int evaluation = 2; evaluation <= 5; evaluation++)
        decision = good(&lab);
    assert_true(decision.accepted);
    bal_text_release(&healthy.memory);
    lab_release(&lab);
}

/* A step's incident belongs to the evaluation that would have come next. */
static void steps_roll_back_too(void **state) {
    lab_setup setup = with(BAL_GUARD_RECOVER, 3, 3);
    guard_lab lab;
    snapshot healthy = {{0}, 0, 0, 0};
    lab_init(&lab, &setup);
    good(&lab);
    keep(&lab, &healthy);
    good(&lab);
    bal_decision decision = {.verdict = BAL_VERDICT_GO};
    for (int i = 0; i < 4; i++)
        decision = lab_step(&lab, 1, INFINITY);
    assert_int_equal(decision.verdict, BAL_VERDICT_ROLLBACK);
    assert_int_equal(decision.incidents[0].evaluation, 2);
    roll_back(&lab, &healthy);
    for (int evaluation = 2; evaluation <= 8; evaluation++) {
        decision = good(&lab);
        assert_int_equal(decision.accepted, evaluation == 3 + BAL_GUARD_PROBATION);
    }
    bal_text_release(&healthy.memory);
    lab_release(&lab);
}

/* ---- memory and ledger ---- */

/* One random piece of a run: some steps, then an evaluation. Trouble is not rare. */
static void live(guard_lab *lab, bal_random *random) {
    for (int i = 0; i < 12; i++) {
        double loss = bal_random_uniform(random) < 0.02 ? NAN : 1 + 0.1 * bal_random_normal(random);
        bool leap = lab->evaluation % 17 == 16;
        lab->epoch = lab->evaluation;
        bal_step_signals signals = {.epoch = lab->epoch,
                                    .step = lab->step++,
                                    .loss = leap ? 50 : loss,
                                    .grad_norm = leap ? 90 : 1 + bal_random_uniform(random)};
        (void)bal_guard_step(lab->guard, &signals);
    }
    double recall[4];
    for (int c = 0; c < 4; c++)
        recall[c] = bal_random_uniform(random) < 0.3 ? 0 : bal_random_uniform(random);
    lab_predict(lab, recall, bal_random_uniform(random) < 0.2 ? 2 : -1);
    lab->monitored = bal_random_uniform(random);
    lab->dead_share = bal_random_uniform(random) < 0.3 ? 0.95 : 0.2;
    lab->rule_value = bal_random_uniform(random);
}

static void decisions_are_equal(const bal_decision *a, const bal_decision *b) {
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->remedy, b->remedy);
    assert_int_equal(a->accepted, b->accepted);
    assert_int_equal(a->healthy, b->healthy);
    assert_int_equal(a->eligible, b->eligible);
    assert_string_equal(a->ineligible_reason, b->ineligible_reason);
    assert_int_equal(a->n_incidents, b->n_incidents);
    for (int32_t i = 0; i < a->n_incidents; i++) {
        bal_text left = {0}, right = {0};
        bal_incident_json(&a->incidents[i], "", &left);
        bal_incident_json(&b->incidents[i], "", &right);
        assert_string_equal(left.data, right.data);
        bal_text_release(&left);
        bal_text_release(&right);
    }
}

static bal_text saved(void (*save)(const bal_guard *, bal_text *), const bal_guard *guard) {
    bal_text text = {0};
    save(guard, &text);
    assert_false(bal_text_failed(&text));
    return text;
}

/* A new guard that knows what the old one wrote down. */
static bal_guard *restart(const guard_lab *lab, const lab_setup *setup) {
    bal_guard *guard = lab_twin(lab, setup);
    bal_text memory = saved(bal_guard_save_memory, lab->guard);
    bal_text ledger = saved(bal_guard_save_ledger, lab->guard);
    assert_int_equal(bal_guard_load_memory(guard, memory.data, memory.length, NULL), BAL_OK);
    assert_int_equal(bal_guard_load_ledger(guard, ledger.data, ledger.length, NULL), BAL_OK);
    bal_text_release(&memory);
    bal_text_release(&ledger);
    return guard;
}

static void same_bytes(void (*save)(const bal_guard *, bal_text *), const bal_guard *a,
                       const bal_guard *b) {
    bal_text left = saved(save, a), right = saved(save, b);
    assert_int_equal(left.length, right.length);
    assert_memory_equal(left.data, right.data, left.length);
    bal_text_release(&left);
    bal_text_release(&right);
}

/* Restarted after every evaluation, or never: the same decisions, bytes and health. */
static void restarted_equals_uninterrupted(void **state) {
    bal_guard_rule rule = {.text = "a rule", .op = ">", .value = 0.8};
    for (uint64_t seed = 1; seed <= 6; seed++) {
        lab_setup setup = with(seed % 2 ? BAL_GUARD_WARN : BAL_GUARD_RECOVER, 3, 3);
        setup.options.rules = &rule;
        setup.options.n_rules = 1;
        guard_lab straight, broken;
        lab_init(&straight, &setup);
        lab_init(&broken, &setup);
        bal_random left, right;
        bal_random_init(&left, seed, 1);
        bal_random_init(&right, seed, 1);
        for (int i = 0; i < 60; i++) {
            live(&straight, &left);
            live(&broken, &right);
            bal_guard *again = restart(&broken, &setup);
            same_bytes(bal_guard_save_memory, broken.guard, again);
            bal_guard_free(broken.guard);
            broken.guard = again;
            bal_decision a = lab_evaluate(&straight, 2), b = lab_evaluate(&broken, 2);
            decisions_are_equal(&a, &b);
        }
        assert_true(bal_guard_incidents(straight.guard) > 10);
        assert_int_equal(bal_guard_incidents(straight.guard), bal_guard_incidents(broken.guard));
        same_bytes(bal_guard_save_memory, straight.guard, broken.guard);
        same_bytes(bal_guard_save_ledger, straight.guard, broken.guard);
        bal_text a = {0}, b = {0};
        bal_guard_health_json(straight.guard, NULL, 0, "ok", &a);
        bal_guard_health_json(broken.guard, NULL, 0, "ok", &b);
        assert_string_equal(a.data, b.data);
        bal_text_release(&a);
        bal_text_release(&b);
        lab_release(&straight);
        lab_release(&broken);
    }
}

/* A ledger with more than it keeps, and names with quotes, control and cut characters. */
static void ledger_is_bounded_and_exact(void **state) {
    static const char long_name[] = "a name of more than sixty-three bytes, the last of which are "
                                    "…………………………";
    static const char *const odd[] = {"\"\\\n\x01", "ı", long_name, ""};
    lab_setup setup = with(BAL_GUARD_WARN, 0, 0);
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_guard_free(lab.guard);
    lab.head.class_names = odd;
    lab.guard = lab_twin(&lab, &setup);
    for (int i = 0; i < 200; i++) {
        good(&lab);
        lab_predict_all(&lab, i % 4);
        bal_decision decision = lab_evaluate(&lab, 3);
        for (int32_t k = 0; k < decision.n_incidents; k++) {
            const bal_incident *incident = &decision.incidents[k];
            size_t name = strlen(incident->class_name), message = strlen(incident->message);
            assert_int_equal(bal_text_utf8_valid(incident->class_name, name), name);
            assert_int_equal(bal_text_utf8_valid(incident->message, message), message);
        }
    }
    assert_true(bal_guard_incidents(lab.guard) >= 200);
    bal_guard *again = restart(&lab, &setup);
    same_bytes(bal_guard_save_ledger, lab.guard, again);
    bal_text ledger = saved(bal_guard_save_ledger, again);
    assert_int_equal(bal_text_utf8_valid(ledger.data, ledger.length), ledger.length);
    assert_true(ledger.length < 64 * 2048);
    bal_text_release(&ledger);
    bal_guard_free(again);
    lab_release(&lab);
}

typedef bal_status (*load_fn)(bal_guard *, const char *, size_t, bal_error *);
typedef void (*save_fn)(const bal_guard *, bal_text *);

/* Damage bytes of an earlier state in turn (a digit more, a bracket, nothing): refused or a valid
 * state, but never a crash, and refused leaves the guard as it is now. */
static void damage(guard_lab *lab, bal_random *random, save_fn save, load_fn load) {
    bal_text earlier = saved(save, lab->guard);
    for (int i = 0; i < 5; i++) {
        live(lab, random);
        lab_evaluate(lab, 2);
    }
    bal_text now = saved(save, lab->guard);
    char *bytes = malloc(earlier.length);
    static const char with_what[] = {'9', ']', '"', '-', 'e', '\0'};
    int refused = 0;
    for (size_t at = 0; at < earlier.length; at += 1 + at / 40) {
        for (size_t k = 0; k < sizeof with_what; k++) {
            memcpy(bytes, earlier.data, earlier.length);
            bytes[at] = with_what[k];
            bal_error err = {0};
            bal_status status = load(lab->guard, bytes, earlier.length, &err);
            if (status == BAL_OK) {
                lab_step(lab, 1, 1);
                good(lab);
                assert_int_equal(load(lab->guard, now.data, now.length, &err), BAL_OK);
                continue;
            }
            refused++;
            assert_int_equal(status, BAL_EFORMAT);
            assert_true(strlen(err.message) > 10);
            bal_text after = saved(save, lab->guard);
            assert_string_equal(after.data, now.data);
            bal_text_release(&after);
        }
    }
    assert_true(refused > 100);
    for (size_t length = 0; length < earlier.length; length += 1 + length / 20)
        assert_int_equal(load(lab->guard, earlier.data, length, NULL), BAL_EFORMAT);
    free(bytes);
    bal_text_release(&earlier);
    bal_text_release(&now);
}

static void damaged_bytes_are_refused(void **state) {
    lab_setup setup = with(BAL_GUARD_RECOVER, 3, 3);
    guard_lab lab;
    lab_init(&lab, &setup);
    bal_random random;
    bal_random_init(&random, 1, 1);
    for (int i = 0; i < 20; i++) {
        live(&lab, &random);
        lab_evaluate(&lab, 2);
    }
    damage(&lab, &random, bal_guard_save_memory, bal_guard_load_memory);
    damage(&lab, &random, bal_guard_save_ledger, bal_guard_load_ledger);
    lab_release(&lab);
}

static void memory_of_another_recipe_is_refused(void **state) {
    const int64_t three[] = {50, 50, 50};
    lab_setup one = with(BAL_GUARD_WARN, 0, 0), other = one;
    other.classes = 3;
    other.support = three;
    guard_lab a, b;
    lab_init(&a, &one);
    lab_init(&b, &other);
    bal_text memory = saved(bal_guard_save_memory, a.guard);
    bal_text ledger = saved(bal_guard_save_ledger, a.guard);
    bal_error err = {0};
    assert_int_equal(bal_guard_load_memory(b.guard, memory.data, memory.length, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "another recipe"));
    bal_error wrong_kind = {0};
    assert_int_equal(bal_guard_load_memory(a.guard, ledger.data, ledger.length, &wrong_kind),
                     BAL_EFORMAT);
    assert_non_null(strstr(wrong_kind.message, "ballast-guard-memory"));
    bal_text_release(&memory);
    bal_text_release(&ledger);
    lab_release(&a);
    lab_release(&b);
}

/* ---- settings ---- */

static const bal_guard_head plain = {
    .name = "label", .kind = BAL_HEAD_CLASSES, .classes = 4, .prior = even};

static void refuses(const bal_guard_options *options, bal_status status, const char *words) {
    bal_guard *guard = NULL;
    bal_error err = {0};
    assert_int_equal(bal_guard_new(options, &guard, &err), status);
    assert_null(guard);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
}

static void refuses_setting(const char *detector, const char *option, double value,
                            const char *words) {
    bal_detector_setting setting = {
        .detector = detector, .enabled = true, .option = &option, .value = &value, .n_options = 1};
    refuses(
        &(bal_guard_options){.heads = &plain, .n_heads = 1, .settings = &setting, .n_settings = 1},
        BAL_ERECIPE, words);
}

static void wrong_settings(void **state) {
    refuses_setting("one_clas", "floor", 0.3, "no detector 'one_clas' (did you mean 'one_class'?)");
    refuses_setting("one_class", "flor", 0.3, "called 'flor' (did you mean 'floor'?)");
    refuses_setting("one_class", "floor", 1.5,
                    "one_class.floor is 1.5; wanted a number from 0 to 1");
    refuses_setting("one_class", "floor", NAN, "one_class.floor is nan");
    refuses_setting("swing", "window", 2.5, "swing.window is 2.5; wanted a whole number");
    refuses_setting("rule", "x", 1, "no option of detector rule called 'x'");

    bal_guard_head head = plain;
    bal_guard_options options = {.heads = &head, .n_heads = 1};
    const double counts[] = {10, 20, 30, 40}, below[] = {-0.5, 0.5, 0.5, 0.5};
    head.prior = counts;
    refuses(&options, BAL_EINVAL, "sums to 100");
    head.prior = below;
    refuses(&options, BAL_EINVAL, "prior of class 0 is -0.5");
    head.prior = NULL;
    refuses(&options, BAL_EINVAL, "sums to 0");
    head = plain;
    head.classes = 0;
    refuses(&options, BAL_EINVAL, "0 classes");
    head = plain;
    options.n_heads = 0;
    refuses(&options, BAL_EINVAL, "0 heads");
    options.n_heads = 1;
    options.max_rollbacks = -1;
    refuses(&options, BAL_EINVAL, "-1 rollbacks");
    options.max_rollbacks = 0;
    bal_guard_rule rule = {.text = "a ~ 1", .op = "~", .value = 1};
    options.rules = &rule;
    options.n_rules = 1;
    refuses(&options, BAL_ERECIPE, "rule 'a ~ 1'");
}

static void settings_take_effect(void **state) {
    const char *names[] = {"for"};
    const double values[] = {4};
    bal_detector_setting settings[] = {{.detector = "one_class",
                                        .enabled = true,
                                        .option = names,
                                        .value = values,
                                        .n_options = 1},
                                       {.detector = "input_blind", .enabled = false}};
    lab_setup setup = with(BAL_GUARD_WARN, 0, 0);
    setup.options.settings = settings;
    setup.options.n_settings = 2;
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 1; i <= 8; i++) {
        bal_decision decision = bad(&lab);
        assert_int_equal(decision.n_incidents, i == 4);
    }
    lab_release(&lab);
    settings[0].enabled = false;
    lab_init(&lab, &setup);
    for (int i = 1; i <= 8; i++) {
        bal_decision decision = bad(&lab);
        assert_silent(decision);
        assert_true(decision.eligible); /* switched off means off */
    }
    lab_release(&lab);
}

static void table_is_sound(void **state) {
    int32_t n = 0;
    for (; bal_detector_table[n]; n++) {
        const bal_detector *detector = bal_detector_table[n];
        assert_int_equal(bal_detector_index(detector->name), n); /* so names are unique */
        assert_ptr_equal(bal_detector_find(detector->name), detector);
        assert_true(strlen(detector->name) < sizeof((bal_incident *)0)->detector);
        assert_true(detector->summary && *detector->summary && detector->source);
        assert_non_null(detector->hooks);
        for (const bal_detector_option *option = detector->options; option->name; option++) {
            assert_true(option->meaning && strlen(option->meaning) > 10);
            assert_true(option->value >= option->min && option->value <= option->max);
            assert_true(!option->whole || option->value == floor(option->value));
        }
    }
    assert_int_equal(n, BAL_DETECTOR_COUNT);
    assert_null(bal_detector_find("one-class"));
    assert_string_equal(bal_guard_policy_name(BAL_GUARD_RECOVER), "recover");
}

/* ---- memory ---- */

static void memory_runs_out(void **state) {
    bal_guard_rule rule = {.text = "a rule", .op = ">"};
    bal_guard_options options = {
        .policy = BAL_GUARD_RECOVER, .heads = &plain, .n_heads = 1, .rules = &rule, .n_rules = 1};
    bal_guard *guard = NULL;
    bal_status status = BAL_ENOMEM;
    int failures = -1;
    for (int n = 0; status != BAL_OK; n++, failures++) {
        bal_error err = {0};
        bal_memory_fail_after(n);
        status = bal_guard_new(&options, &guard, &err);
        bal_memory_fail_after(-1);
        assert_int_equal(err.status, status);
        if (status != BAL_OK) assert_int_equal(status, BAL_ENOMEM);
        if (status != BAL_OK) assert_null(guard);
    }
    assert_true(failures > 1);

    bal_text memory = saved(bal_guard_save_memory, guard);
    bal_text ledger = saved(bal_guard_save_ledger, guard);
    status = BAL_ENOMEM;
    for (int n = 0; status != BAL_OK; n++) {
        bal_memory_fail_after(n);
        status = bal_guard_load_memory(guard, memory.data, memory.length, NULL);
        bal_memory_fail_after(-1);
        if (status != BAL_OK) assert_int_equal(status, BAL_ENOMEM);
    }
    status = BAL_ENOMEM;
    for (int n = 0; status != BAL_OK; n++) {
        bal_memory_fail_after(n);
        status = bal_guard_load_ledger(guard, ledger.data, ledger.length, NULL);
        bal_memory_fail_after(-1);
        if (status != BAL_OK) assert_int_equal(status, BAL_ENOMEM);
    }
    for (int n = 0; n < 3; n++) { /* writers say so through the text */
        bal_text text = {0};
        bal_memory_fail_after(n);
        bal_guard_save_memory(guard, &text);
        bal_memory_fail_after(-1);
        assert_true(bal_text_failed(&text));
        bal_text_release(&text);
    }
    bal_text_release(&memory);
    bal_text_release(&ledger);
    bal_guard_free(guard);
    bal_guard_free(NULL);
}

/* Scores are the laboratory's; the guard itself takes nothing, whatever happens. */
static void watching_allocates_nothing(void **state) {
    lab_setup setup = with(BAL_GUARD_WARN, 0, 0);
    guard_lab lab;
    lab_init(&lab, &setup);
    for (int i = 0; i < 3; i++) {
        uint64_t before = bal_memory_allocations();
        for (int k = 0; k < 200; k++)
            lab_step(&lab, k % 50 ? 1 : NAN, k < 150 ? 1 : 1e6);
        assert_int_equal(bal_memory_allocations(), before);
        bal_guard *watching = lab.guard;
        lab_setup off = with(BAL_GUARD_OFF, 0, 0);
        lab.guard = lab_twin(&lab, &off);
        before = bal_memory_allocations();
        bad(&lab);
        uint64_t unwatched = bal_memory_allocations() - before;
        bal_guard_free(lab.guard);
        lab.guard = watching;
        before = bal_memory_allocations();
        bad(&lab);
        assert_int_equal(bal_memory_allocations() - before, unwatched);
    }
    assert_true(bal_guard_incidents(lab.guard) > 3);
    lab_release(&lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_decide_what_is_done),
        cmocka_unit_test(off_sees_nothing_in_steps),
        cmocka_unit_test(rules_may_have_their_own_action),
        cmocka_unit_test(stop_goes_before_recovery),
        cmocka_unit_test(untrained_heads_are_left_alone),
        cmocka_unit_test(eligible_beats_the_prior_strictly),
        cmocka_unit_test(recovery_is_accepted_after_probation),
        cmocka_unit_test(remedies_that_fit_come_first),
        cmocka_unit_test(remedies_run_out),
        cmocka_unit_test(probation_reaches_beyond_the_latest_incident),
        cmocka_unit_test(notes_do_not_end_a_probation),
        cmocka_unit_test(steps_roll_back_too),
        cmocka_unit_test(restarted_equals_uninterrupted),
        cmocka_unit_test(ledger_is_bounded_and_exact),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(memory_of_another_recipe_is_refused),
        cmocka_unit_test(wrong_settings),
        cmocka_unit_test(settings_take_effect),
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(watching_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
