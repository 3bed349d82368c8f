/* What `ballast signal` found, as JSON. Its keys are a contract (docs/signal.md). */
#include "train/signal.h"

const char *bal_signal_verdict_name(bal_signal_verdict verdict) {
    static const char *const names[] = {
        [BAL_SIGNAL_FOUND] = "signal",
        [BAL_SIGNAL_NONE] = "no_signal",
        [BAL_SIGNAL_TOO_FEW_ROWS] = "too_few_rows",
        [BAL_SIGNAL_UNSURE] = "unsure",
        [BAL_SIGNAL_SHUFFLED] = "shuffled_as_good",
    };
    return names[verdict];
}

static void write_head(const bal_signal *signal, const bal_signal_head *head, bal_json_out *out) {
    bal_json_out_named_string(out, "verdict", bal_signal_verdict_name(head->verdict));
    bal_json_out_named_string(out, "kind", bal_head_kind_name(head->kind));
    bal_json_out_named_number(out, "skill", head->skill);
    bal_json_out_key(out, "interval");
    bal_json_out_row(out);
    bal_json_out_number(out, head->low);
    bal_json_out_number(out, head->high);
    bal_json_out_array_end(out);
    bal_json_out_named_number(out, "p", head->p);
    bal_json_out_named_integer(out, "permutations", head->permutations);
    bal_json_out_named_number(out, "loss", head->loss);
    bal_json_out_named_number(out, "prior", head->prior_loss);
    bal_json_out_named_number(out, "balanced_accuracy", head->balanced_accuracy);
    bal_json_out_named_number(out, "prior_balanced_accuracy", head->prior_balanced_accuracy);
    bal_json_out_named_number(out, "detectable", head->detectable);
    bal_json_out_named_integer(out, "rows", head->rows);
    bal_json_out_named_integer(out, "units", head->units);
    bal_json_out_named_integer(out, "block", head->block);
    bal_json_out_named_integer(out, "epoch", head->epoch);
    bal_json_out_named_number(out, "sharpness", head->sharpness);
    bal_json_out_key(out, "shuffled");
    bal_json_out_row(out);
    for (int32_t run = 0; run < signal->runs; run++)
        bal_json_out_number(out, head->shuffled[run]);
    bal_json_out_array_end(out);
    bal_json_out_named_integer(out, "shuffled_reached", head->reached);
}

void bal_signal_json(const bal_signal *signal, int indent, bal_text *text) {
    const bal_signal_head *judged = &signal->heads[signal->judged];
    bal_json_out out;
    bal_json_out_init(&out, text, indent);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "status", judged->signal ? "ok" : "no_signal");
    bal_json_out_named_string(&out, "name", signal->name);
    bal_json_out_named_string(&out, "head", judged->name);
    write_head(signal, judged, &out);
    bal_json_out_named_number(&out, "level", BAL_SIGNAL_LEVEL);
    bal_json_out_named_string(&out, "unit", bal_shuffle_name(signal->unit));
    bal_json_out_named_integer(&out, "epochs", signal->epochs);
    bal_json_out_named_integer(&out, "recipe_epochs", signal->recipe_epochs);
    bal_json_out_named_integer(&out, "runs", signal->runs);
    bal_json_out_key(&out, "refits");
    bal_json_out_bool(&out, signal->refits);
    bal_json_out_key(&out, "heads");
    bal_json_out_object(&out);
    for (int32_t h = 0; h < signal->n_heads; h++) {
        bal_json_out_key(&out, signal->heads[h].name);
        bal_json_out_object(&out);
        bal_json_out_named_string(&out, "status", signal->heads[h].signal ? "ok" : "no_signal");
        write_head(signal, &signal->heads[h], &out);
        bal_json_out_object_end(&out);
    }
    bal_json_out_object_end(&out);
    bal_json_out_named_number(&out, "seconds", signal->seconds);
    bal_json_out_object_end(&out);
    bal_text_puts(text, "\n");
}
