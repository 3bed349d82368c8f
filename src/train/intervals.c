/* Bootstrap intervals of an evaluated set, on request: see bal_eval_set_intervals_json. */
#include "train/run.h"

#include "base/error.h"

static bal_status write_interval(const bal_metric *metric, const bal_scores *scores,
                                 const bal_interval_options *options, bal_json_out *out,
                                 bal_error *err) {
    double low, high;
    BAL_TRY(bal_metric_bootstrap(metric, scores, -1, options->resamples, options->level,
                                 options->seed, &low, &high, err));
    bal_json_out_key(out, metric->name);
    bal_json_out_row(out);
    bal_json_out_number(out, low);
    bal_json_out_number(out, high);
    bal_json_out_array_end(out);
    return BAL_OK;
}

/* Metrics that cost a sort per class and resample would take minutes with many classes. */
bal_status bal_eval_set_intervals_json(const bal_eval_set *set, const bal_interval_options *options,
                                       bal_json_out *out, bal_error *err) {
    bal_json_out_object(out);
    for (int32_t h = 0; h < set->dataset->n_heads; h++) {
        const bal_recipe_head *head = set->dataset->heads[h].recipe;
        if (!set->scores[h] || bal_scores_rows(set->scores[h]) == 0) continue;
        bal_json_out_key(out, head->name);
        bal_json_out_object(out);
        for (const bal_metric *const *metric = bal_metric_table; *metric; metric++)
            if ((*metric)->cheap && bal_head_has_metric(head, *metric))
                BAL_TRY(write_interval(*metric, set->scores[h], options, out, err));
        bal_json_out_object_end(out);
    }
    bal_json_out_object_end(out);
    return BAL_OK;
}
