/* Predictions as a table of text. See predictions.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/csv.h"
#include "predictions.h"

enum { PIECE = 1 << 16 }; /* bytes of standard output written at once */

typedef struct csv_job {
    const bal_predictions *predictions;
    bal_csv_writer csv;
    float *p; /* probabilities of one row of one head */
    bal_text name;
} csv_job;

static void put_float(csv_job *job, float value) {
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)value);
    bal_csv_writer_text(&job->csv, text);
}

static void put_title(csv_job *job, int32_t head, const char *name, const char *detail) {
    bal_predictions_name(job->predictions, head, name, detail, &job->name);
    bal_csv_writer_text(&job->csv, bal_text_failed(&job->name) ? "" : job->name.data);
}

static void put_titles(csv_job *job) {
    const bal_predictor *predictor = job->predictions->predictor;
    bal_csv_writer_text(&job->csv, "row");
    for (int32_t h = 0; h < bal_predictor_heads(predictor); h++) {
        const bal_model_head *head = bal_predictor_head(predictor, h);
        for (int32_t k = 0; head->kind == BAL_HEAD_VALUE && k < head->outputs; k++) {
            char number[16] = "";
            if (head->outputs > 1) snprintf(number, sizeof number, "_%d", (int)k);
            put_title(job, h, "value", number);
        }
        if (head->kind == BAL_HEAD_VALUE) continue;
        put_title(job, h, "class", "");
        put_title(job, h, "confidence", "");
        put_title(job, h, "entropy", "");
        for (int32_t c = 0; c < head->classes.count; c++)
            put_title(job, h, "p_", head->classes.names[c]);
    }
    bal_csv_writer_end_row(&job->csv);
}

static void put_head(csv_job *job, int32_t h, int64_t row) {
    const bal_model_head *head = bal_predictor_head(job->predictions->predictor, h);
    if (head->kind == BAL_HEAD_VALUE) {
        for (int32_t k = 0; k < head->outputs; k++)
            put_float(job, job->predictions->outputs[h][row * head->outputs + k]);
        return;
    }
    bal_answer answer = bal_predictions_answer(job->predictions, h, row, job->p);
    bal_csv_writer_text(&job->csv, answer.class_id < 0 ? "" : head->classes.names[answer.class_id]);
    put_float(job, answer.confidence);
    put_float(job, answer.entropy);
    for (int32_t c = 0; c < head->classes.count; c++)
        put_float(job, job->p[c]);
}

static void put_row(csv_job *job, int64_t row) {
    bal_csv_writer_integer(&job->csv, row + 1);
    for (int32_t h = 0; h < bal_predictor_heads(job->predictions->predictor); h++)
        put_head(job, h, row);
    bal_csv_writer_end_row(&job->csv);
}

/* ---- sinks ---- */

static bal_status write_file(csv_job *job, const char *path, bal_error *err) {
    bal_file_writer file;
    BAL_TRY(bal_file_writer_open(&file, path, err));
    job->csv.file = &file;
    put_titles(job);
    for (int64_t row = 0; row < job->predictions->rows; row++)
        put_row(job, row);
    if (!bal_text_failed(&job->name)) return bal_file_writer_commit(&file, err);
    bal_file_writer_abort(&file);
    return bal_fail_memory(err, 0);
}

static bal_status write_screen(csv_job *job, bal_error *err) {
    bal_text text = {0};
    job->csv.text = &text;
    put_titles(job);
    for (int64_t row = 0; row < job->predictions->rows && !ferror(stdout); row++) {
        put_row(job, row);
        if (text.length < PIECE || bal_text_failed(&text)) continue;
        fwrite(text.data, 1, text.length, stdout);
        bal_text_clear(&text);
    }
    bool failed = bal_text_failed(&text) || bal_text_failed(&job->name);
    if (!failed) fwrite(text.data, 1, text.length, stdout);
    bal_text_release(&text);
    /* Whether standard output took it all is reported at the end of the program. */
    return failed ? bal_fail_memory(err, 0) : BAL_OK;
}

bal_status bal_predictions_write_csv(const bal_predictions *predictions, const char *path,
                                     bal_error *err) {
    size_t classes = (size_t)bal_predictions_classes_max(predictions);
    csv_job job = {.predictions = predictions, .p = bal_calloc(classes, sizeof *job.p)};
    if (!job.p) return bal_fail_memory(err, classes * sizeof *job.p);
    bal_status status =
        strcmp(path, "-") == 0 ? write_screen(&job, err) : write_file(&job, path, err);
    bal_text_release(&job.name);
    bal_free(job.p);
    return status;
}
