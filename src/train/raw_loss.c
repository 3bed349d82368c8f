/* Raw losses of model files. See train/raw_loss.h.
 *
 * The loss is built as a graph by the same entry of the loss table as in training and run in
 * batches of one size, the last one filled up with rows that have no label. */
#include "train/raw_loss.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

enum { BATCH = 1024 };

/* ---- in a file ---- */

/** The options that each raw loss depends on; others have none. */
static const struct {
    const char *kind, *name;
    size_t at;
} parameters[] = {
    {"focal", "gamma", offsetof(bal_loss_options, gamma)},
    {"huber", "delta", offsetof(bal_loss_options, delta)},
    {"threshold_huber", "delta", offsetof(bal_loss_options, delta)},
    {"threshold_huber", "threshold", offsetof(bal_loss_options, threshold)},
    {"threshold_huber", "margin", offsetof(bal_loss_options, margin)},
    {"threshold_huber", "below_weight", offsetof(bal_loss_options, below_weight)},
    {"threshold_huber", "above_weight", offsetof(bal_loss_options, above_weight)},
};
enum { N_PARAMETERS = sizeof parameters / sizeof *parameters };

void bal_raw_loss_write(const bal_loss_options *loss, bal_json_out *out) {
    bal_json_out_key(out, "loss");
    bal_json_out_object(out);
    bal_json_out_named_string(out, "kind", loss->kind);
    for (int i = 0; i < N_PARAMETERS; i++)
        if (strcmp(parameters[i].kind, loss->kind) == 0)
            bal_json_out_named_number(
                out, parameters[i].name,
                *(const double *)(const void *)((const char *)loss + parameters[i].at));
    bal_json_out_object_end(out);
}

bal_status bal_raw_loss_read(const json_t *item, bal_head_kind head, bal_loss_options *ret_loss,
                             bal_error *err) {
    bal_loss_options loss = {.alpha = -1};
    const char *kind = json_string_value(json_object_get(item, "kind"));
    const bal_loss *entry = kind ? bal_loss_find(kind) : NULL;
    if (item && (!entry || !(entry->kinds & BAL_HEAD_BIT(head))))
        return bal_fail(err, BAL_EFORMAT, "model file: a head has a loss that is not known for it");
    if (entry) loss.kind = entry->name;
    for (int i = 0; entry && i < N_PARAMETERS; i++) {
        double *number = (double *)(void *)((char *)&loss + parameters[i].at);
        if (strcmp(parameters[i].kind, loss.kind) == 0 &&
            !bal_json_number(json_object_get(item, parameters[i].name), number))
            return bal_fail(err, BAL_EFORMAT, "model file: '%s' of a head's loss is no number",
                            parameters[i].name);
    }
    *ret_loss = loss;
    return BAL_OK;
}

/* ---- computed ---- */

typedef struct loss_program {
    bal_graph *graph;
    bal_buffer *buffer; /* outputs [BATCH, width], then targets [BATCH, width], 4 bytes each */
    bal_program *program;
    bal_value loss, weight;
    size_t width; /* of outputs */
    bool ids;     /* targets are class ids, else numbers */
    float *outputs;
    void *targets;
} loss_program;

static void release(loss_program *made) {
    bal_program_free(made->program);
    bal_buffer_free(made->buffer);
    bal_graph_free(made->graph);
    bal_free(made->outputs);
    bal_free(made->targets);
}

static bal_status compile(loss_program *made, const bal_loss_options *options, bal_backend *backend,
                          bal_error *err) {
    bal_loss_options raw = *options;
    raw.alpha = -1;
    raw.label_smoothing = 0;
    size_t bytes = BATCH * made->width * sizeof(float);
    int64_t width = (int64_t)made->width;
    BAL_TRY(bal_graph_new(bal_op_table, BAL_F32, &made->graph, err));
    bal_value output = bal_graph_input(made->graph, "output", BAL_F32, BAL_SHAPE2(BATCH, width));
    bal_value target =
        made->ids ? bal_graph_input(made->graph, "target", BAL_I32, BAL_SHAPE1(BATCH))
                  : bal_graph_input(made->graph, "target", BAL_F32, BAL_SHAPE2(BATCH, width));
    made->loss = bal_loss_find(raw.kind)->build(made->graph, output, target, BAL_NO_VALUE, &raw);
    made->weight = bal_graph_output(made->graph, made->loss, 1);
    BAL_TRY(bal_graph_check(made->graph, err));
    BAL_TRY(bal_buffer_new(backend, 2 * bytes, &made->buffer, err));
    const bal_binding bindings[] = {{output, made->buffer, 0}, {target, made->buffer, bytes}};
    const bal_value results[] = {made->loss, made->weight};
    return bal_program_compile(backend, made->graph, bindings, 2, results, 2, &made->program, err);
}

static bal_status allocate(loss_program *made, bal_error *err) {
    size_t cells = BATCH * made->width;
    made->outputs = bal_calloc(cells, sizeof *made->outputs);
    made->targets = bal_calloc(cells, sizeof(float));
    return made->outputs && made->targets ? BAL_OK : bal_fail_memory(err, cells * sizeof(float));
}

/** What row `row` should have been; −1 of rows: no label. */
static void put_target(const loss_program *made, const bal_evaluation *rows, int64_t row,
                       size_t place) {
    int32_t label = row >= 0 && rows->labels ? rows->labels[row] : -1;
    float *numbers = (float *)made->targets + place * made->width;
    if (made->ids)
        ((int32_t *)made->targets)[place] = label;
    else if (rows->labels)
        *numbers = label < 0 ? NAN : (float)label;
    else
        for (size_t k = 0; k < made->width; k++)
            numbers[k] = row < 0 ? NAN : rows->targets[(size_t)row * made->width + k];
}

static bal_status run_batch(loss_program *made, const bal_evaluation *rows, int64_t first,
                            double *ret_loss, double *ret_weight, bal_error *err) {
    int64_t n = rows->rows - first < BATCH ? rows->rows - first : BATCH;
    size_t used = (size_t)n * made->width, all = BATCH * made->width;
    float loss, weight;
    memcpy(made->outputs, rows->logits + (size_t)first * made->width, used * sizeof(float));
    memset(made->outputs + used, 0, (all - used) * sizeof(float));
    for (int64_t i = 0; i < BATCH; i++)
        put_target(made, rows, i < n ? first + i : -1, (size_t)i);
    BAL_TRY(bal_buffer_upload(made->buffer, 0, made->outputs, all * sizeof(float), err));
    BAL_TRY(bal_buffer_upload(made->buffer, all * sizeof(float), made->targets,
                              (made->ids ? BATCH : all) * sizeof(float), err));
    BAL_TRY(bal_program_run(made->program, err));
    BAL_TRY(bal_program_read(made->program, made->loss, &loss, sizeof loss, err));
    BAL_TRY(bal_program_read(made->program, made->weight, &weight, sizeof weight, err));
    *ret_loss = (double)loss;
    *ret_weight = (double)weight;
    return BAL_OK;
}

bal_status bal_raw_loss_compute(const bal_loss_options *loss, const bal_evaluation *rows,
                                bal_backend *backend, double *ret_loss, bal_error *err) {
    double sum = 0, total = 0;
    loss_program made = {
        .width = rows->kind == BAL_HEAD_BINARY ? 1 : (size_t)rows->classes,
        .ids = rows->kind == BAL_HEAD_CLASSES,
    };
    bal_status status = allocate(&made, err);
    if (status == BAL_OK) status = compile(&made, loss, backend, err);
    for (int64_t first = 0; first < rows->rows && status == BAL_OK; first += BATCH) {
        double mean = 0, weight = 0;
        status = run_batch(&made, rows, first, &mean, &weight, err);
        if (weight == 0) continue; /* no label in this batch */
        sum += mean * weight;
        total += weight;
    }
    release(&made);
    if (status == BAL_OK) *ret_loss = total > 0 ? sum / total : NAN;
    return status;
}
