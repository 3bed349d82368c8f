/* What may be behind the incidents of a run: a table of hypotheses, each with a measure of how well
 * it fits what was seen (0 not at all, 1 like a textbook case), the evidence in words and numbers,
 * and what to try. A fit is not a probability, and the best one is not the cause: they are where to
 * look first.
 *
 * To add one: write its `fit`, add its line. Only those that fit at least FIT_MIN are listed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "guard/guard_private.h"

#define FIT_MIN 0.3

/** Why a hypothesis fits. */
typedef struct finding {
    char why[400];
    struct {
        const char *name;
        double value;
    } evidence[BAL_EVIDENCE_MAX];
    int32_t n_evidence;
} finding;

typedef struct hypothesis {
    const char *name;
    const char *statement;
    const char *advice;
    double (*fit)(const bal_guard *guard, finding *found);
} hypothesis;

static void add(finding *f, const char *name, double value) {
    if (f->n_evidence == BAL_EVIDENCE_MAX) return;
    f->evidence[f->n_evidence].name = name;
    f->evidence[f->n_evidence++].value = value;
}

#define WHY(found, ...) snprintf((found)->why, sizeof(found)->why, __VA_ARGS__)

/* ---- what was seen ---- */

static int64_t count_of(const bal_guard *guard, const char *detector) {
    return guard->ledger.count[bal_detector_index(detector)];
}

static bool is_about_predictions(const bal_incident *incident) {
    static const char *const detectors[] = {"one_class", "class_lost", "swing", "input_blind",
                                            "no_skill"};
    for (size_t i = 0; i < sizeof detectors / sizeof *detectors; i++) {
        if (strcmp(incident->detector, detectors[i]) == 0) return true;
    }
    return false;
}

/* The first incident about the predictions of a head; detector NULL: any. */
static const bal_incident *first_about(const bal_guard *guard, const bal_guard_head *head,
                                       const char *detector) {
    char name[sizeof((bal_incident *)0)->head];
    bal_copy_text(name, sizeof name, head->name);
    for (int32_t i = 0; i < guard->ledger.n_kept; i++) {
        const bal_incident *incident = &guard->ledger.kept[i];
        bool wanted =
            detector ? strcmp(incident->detector, detector) == 0 : is_about_predictions(incident);
        if (wanted && strcmp(incident->head, name) == 0) return incident;
    }
    return NULL;
}

/* The class that took the predictions of a head; −1: none is on record. */
static int32_t dominating_class(const bal_guard *guard, const bal_guard_head *head) {
    const bal_incident *incident = first_about(guard, head, "one_class");
    if (!incident) return -1;
    for (int32_t c = 0; c < head->classes; c++) {
        bal_incident named = {0};
        bal_incident_about(&named, head, c);
        if (strcmp(named.class_name, incident->class_name) == 0) return c;
    }
    return -1;
}

/* ---- class weights ---- */

/* Correlation of log weight with −log frequency: 1 for weights of inverse frequency, whatever their
 * scale; NaN when either hardly varies. */
static double weight_agreement(const bal_guard_head *head) {
    double n = 0, sum_x = 0, sum_y = 0, xx = 0, yy = 0, xy = 0;
    for (int32_t c = 0; c < head->classes; c++) {
        if (!(head->prior[c] > 0) || !(head->class_weights[c] > 0)) continue;
        double x = -log(head->prior[c]), y = log(head->class_weights[c]);
        n++;
        sum_x += x;
        sum_y += y;
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    double var_x = xx / n - sum_x / n * (sum_x / n), var_y = yy / n - sum_y / n * (sum_y / n);
    if (!(var_x > 0.01) || !(var_y > 0.01)) return NAN; /* standard deviation .1 of a logarithm */
    return (xy / n - sum_x / n * (sum_y / n)) / sqrt(var_x * var_y);
}

double bal_head_weight_ratio(const bal_guard_head *head) {
    double least = INFINITY, most = 0;
    if (!head->class_weights) return 1;
    for (int32_t c = 0; c < head->classes; c++) {
        if (!(head->prior[c] > 0)) continue;
        least = fmin(least, head->class_weights[c]);
        most = fmax(most, head->class_weights[c]);
    }
    return least > 0 ? most / least : INFINITY;
}

/* Share of the total loss weight that a class gets: frequency × weight. */
static double weight_mass(const bal_guard_head *head, int32_t class_id) {
    double sum = 0;
    for (int32_t c = 0; c < head->classes; c++)
        sum += head->prior[c] * head->class_weights[c];
    return head->prior[class_id] * head->class_weights[class_id] / sum;
}

static double fit_misassigned(const bal_guard *guard, finding *found) {
    for (int32_t h = 0; h < guard->n_heads; h++) {
        const bal_guard_head *head = &guard->heads[h];
        if (head->kind == BAL_HEAD_VALUE || !head->class_weights) continue;
        if (!first_about(guard, head, NULL)) continue;
        double agreement = weight_agreement(head);
        if (!(agreement < 0.5)) continue;
        WHY(found,
            "weights of '%.60s' should rise where a class is rare; their agreement with inverse "
            "frequency is %.2f (1 is perfect, 0 none)",
            head->name, agreement);
        add(found, "agreement", agreement);
        add(found, "weight_ratio", bal_head_weight_ratio(head));
        int32_t top = dominating_class(guard, head);
        if (top >= 0) {
            add(found, "top_class_weight", head->class_weights[top]);
            add(found, "top_class_frequency", head->prior[top]);
            add(found, "top_class_loss_share", weight_mass(head, top));
        }
        return 0.75 - 0.2 * agreement;
    }
    return 0;
}

static double fit_skewed(const bal_guard *guard, finding *found) {
    for (int32_t h = 0; h < guard->n_heads; h++) {
        const bal_guard_head *head = &guard->heads[h];
        if (head->kind == BAL_HEAD_VALUE || !head->class_weights) continue;
        if (!first_about(guard, head, NULL)) continue;
        double ratio = bal_head_weight_ratio(head);
        if (ratio < 3) continue;
        int32_t top = dominating_class(guard, head);
        double mass = top >= 0 ? weight_mass(head, top) : 0;
        bool favoured =
            top >= 0 && mass > fmin(0.5, 2.0 / head->classes) && mass > 2 * head->prior[top];
        WHY(found, "class weights of '%.60s' differ by a factor of %.3g%s", head->name, ratio,
            favoured
                ? ", and the class that took the predictions gets far more of the loss than its "
                  "frequency"
                : "");
        add(found, "weight_ratio", ratio);
        if (top >= 0) {
            add(found, "top_class_loss_share", mass);
            add(found, "top_class_frequency", head->prior[top]);
        }
        return (ratio >= 10 ? 0.4 : 0.3) + (favoured ? 0.35 : 0);
    }
    return 0;
}

static double fit_majority(const bal_guard *guard, finding *found) {
    for (int32_t h = 0; h < guard->n_heads; h++) {
        const bal_guard_head *head = &guard->heads[h];
        int32_t top = head->kind == BAL_HEAD_VALUE ? -1 : dominating_class(guard, head);
        if (top < 0 || head->prior[top] < 2.0 / head->classes) continue;
        for (int32_t c = 0; c < head->classes; c++) {
            if (head->prior[c] > head->prior[top]) return 0;
        }
        WHY(found,
            "all predictions of '%.60s' went to its most frequent class, %.1f %% of the "
            "training rows",
            head->name, 100 * head->prior[top]);
        add(found, "top_class_frequency", head->prior[top]);
        return head->class_weights ? 0.35 : 0.55;
    }
    return 0;
}

/* ---- steps ---- */

static double fit_rate(const bal_guard *guard, finding *found) {
    const bal_facts *facts = &guard->ledger.facts;
    double fit = 0;
    if (count_of(guard, "grad_explosion") > 0) fit += 0.4;
    if (count_of(guard, "loss_spike") > 0) fit += 0.4;
    if (count_of(guard, "loss_explosion") > 0) fit += 0.4;
    if (facts->skipped > 1) fit += 0.2;
    if (count_of(guard, "swing") > 0) fit += 0.25;
    if (count_of(guard, "dead_units") > 0) fit += 0.2;
    bool leapt = facts->loss_peak > 10 * fabs(facts->loss_first);
    if (leapt) fit += 0.3;
    WHY(found,
        "the largest loss of a step is %.4g after %.4g at the start, the largest gradient "
        "norm %.4g after %.4g; %lld steps were skipped",
        facts->loss_peak, facts->loss_first, facts->norm_peak, facts->norm_first,
        (long long)facts->skipped);
    add(found, "loss_peak", facts->loss_peak);
    add(found, "loss_first", facts->loss_first);
    add(found, "norm_peak", facts->norm_peak);
    add(found, "norm_first", facts->norm_first);
    add(found, "skipped_steps", (double)facts->skipped);
    return fmin(fit, 0.95);
}

static double fit_bad_rows(const bal_guard *guard, finding *found) {
    int64_t skipped = guard->ledger.facts.skipped;
    if (skipped == 0) return 0;
    WHY(found, "%lld steps had a loss or gradient that is not a finite number", (long long)skipped);
    add(found, "skipped_steps", (double)skipped);
    return count_of(guard, "nonfinite") > 0 && skipped <= 3 ? 0.6 : 0.4;
}

/* ---- predictions ---- */

static double fit_dead(const bal_guard *guard, finding *found) {
    double dead = guard->ledger.facts.dead_peak;
    if (count_of(guard, "dead_units") == 0 && !(dead > 0.8)) return 0;
    WHY(found, "up to %.1f %% of the relu units were 0 for every validation row", 100 * dead);
    add(found, "dead_share", dead);
    return count_of(guard, "dead_units") > 0 ? 0.7 : 0.35;
}

static double fit_no_signal(const bal_guard *guard, finding *found) {
    for (int32_t h = 0; h < guard->n_heads; h++) {
        const bal_guard_head *head = &guard->heads[h];
        double best = guard->ledger.facts.skill_best[h];
        if (!first_about(guard, head, NULL) || !(best < 0.01)) continue;
        WHY(found,
            "'%.60s' never knew more than the training frequencies: its best skill over the "
            "prior predictor is %.4f",
            head->name, best);
        add(found, "best_skill", best);
        return best > -0.1 ? 0.6 : 0.35;
    }
    return 0;
}

static double fit_too_long(const bal_guard *guard, finding *found) {
    for (int32_t i = 0; i < guard->ledger.n_kept; i++) {
        const bal_incident *incident = &guard->ledger.kept[i];
        if (strcmp(incident->detector, "degrading") != 0) continue;
        WHY(found, "%.390s", incident->message);
        for (int32_t e = 0; e < incident->n_evidence; e++)
            add(found, incident->evidence[e].name, incident->evidence[e].value);
        return 0.5;
    }
    return 0;
}

/* ---- the table ---- */

static const hypothesis table[] = {
    {"weights_misassigned", "The class weights look assigned to the wrong classes.",
     "Compare class_weights.json with the class counts; weights belong to class names, not to "
     "positions in a list.",
     fit_misassigned},
    {"weights_skewed", "The class weights are so uneven that a few classes rule the loss.",
     "Lower the multiplier, use kind: effective, or cap the weights near 10 : 1.", fit_skewed},
    {"majority", "The most frequent class takes over.",
     "Balance with class weights or sampling (one of them), and monitor balanced accuracy or macro "
     "F1.",
     fit_majority},
    {"learning_rate", "The learning rate looks too high for this net and batch size.",
     "Divide optimizer.lr by 3 to 10, warm it up, or set optimizer.clip_norm to 1.", fit_rate},
    {"bad_rows", "Some rows may hold values that the net cannot take.",
     "Look for huge or missing feature values; scale the features (data.scale: standard).",
     fit_bad_rows},
    {"dead_units", "Most relu units are dead.",
     "Lower the learning rate, use leaky_relu or gelu, add batch norm.", fit_dead},
    {"no_signal", "The inputs may tell nothing about the target.",
     "Check that features and labels belong to the same rows, and that the features say anything "
     "about the label.",
     fit_no_signal},
    {"trained_too_long", "The run went on after its best point.",
     "Stop earlier (stop.patience), lower the learning rate, or regularise more.", fit_too_long},
};

enum { HYPOTHESES = sizeof table / sizeof *table };

static void write_one(const hypothesis *about, double fit, const finding *found,
                      bal_json_out *out) {
    char why[sizeof found->why];
    bal_copy_text(why, sizeof why, found->why);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "hypothesis", about->name);
    bal_json_out_named_string(out, "statement", about->statement);
    bal_json_out_named_number(out, "fit", fit);
    bal_json_out_named_string(out, "why", why);
    bal_json_out_key(out, "evidence");
    bal_json_out_object(out);
    for (int32_t i = 0; i < found->n_evidence; i++)
        bal_json_out_named_number(out, found->evidence[i].name, found->evidence[i].value);
    bal_json_out_object_end(out);
    bal_json_out_named_string(out, "try", about->advice);
    bal_json_out_object_end(out);
}

void bal_hypotheses_write(const bal_guard *guard, bal_json_out *out) {
    finding findings[HYPOTHESES] = {{.n_evidence = 0}};
    double fit[HYPOTHESES];
    for (int32_t i = 0; i < HYPOTHESES; i++)
        fit[i] = guard->ledger.incidents > 0 ? table[i].fit(guard, &findings[i]) : 0;
    bal_json_out_key(out, "hypotheses");
    bal_json_out_array(out);
    for (;;) {
        int32_t best = 0;
        for (int32_t i = 1; i < HYPOTHESES; i++) {
            if (fit[i] > fit[best]) best = i;
        }
        if (fit[best] < FIT_MIN) break;
        write_one(&table[best], fit[best], &findings[best], out);
        fit[best] = 0;
    }
    bal_json_out_array_end(out);
}
