/* A model file that is accepted answers to any row; what is not is refused as a file that is wrong,
 * with its name in front.
 *
 * A seed is a whole file, or only its description, beginning with '{'. To that the harness makes
 * the file: with every tensor that the description asks for in the shape that it asks for, so that
 * mutations get past the tensors and into the graph. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/json.h"
#include "format/json_out.h"
#include "fuzz.h"
#include "train/model_file.h"

enum { TENSORS_MAX = 64, NUMBERS_MAX = 4096, ROWS = 3 };

/* ---- a file around a description ---- */

typedef struct made_file {
    bal_json_out out;
    bal_text header;
    size_t numbers; /* of all tensors so far */
} made_file;

static bool add_tensor(made_file *file, const char *name, const json_t *shape) {
    size_t count = 1;
    for (size_t i = 0; i < json_array_size(shape); i++) {
        int64_t dim = json_integer_value(json_array_get(shape, i));
        if (dim < 0 || dim > NUMBERS_MAX) return false;
        count *= (size_t)dim;
        if (count > NUMBERS_MAX) return false;
    }
    bal_json_out_key(&file->out, name);
    bal_json_out_object(&file->out);
    bal_json_out_named_string(&file->out, "dtype", "F32");
    bal_json_out_key(&file->out, "shape");
    bal_json_out_array(&file->out);
    for (size_t i = 0; i < json_array_size(shape); i++)
        bal_json_out_integer(&file->out, json_integer_value(json_array_get(shape, i)));
    bal_json_out_array_end(&file->out);
    bal_json_out_key(&file->out, "data_offsets");
    bal_json_out_array(&file->out);
    bal_json_out_integer(&file->out, (int64_t)(4 * file->numbers));
    file->numbers += count;
    bal_json_out_integer(&file->out, (int64_t)(4 * file->numbers));
    bal_json_out_array_end(&file->out);
    bal_json_out_object_end(&file->out);
    return true;
}

static bool add_tensors(made_file *file, const json_t *root) {
    static const char *const scaling[] = {"preprocess.shift", "preprocess.scale",
                                          "preprocess.fill"};
    const json_t *wanted = json_object_get(json_object_get(root, "graph"), "parameters");
    json_t *features =
        json_pack("[I]", (json_int_t)json_array_size(json_object_get(root, "features")));
    bool fine = json_array_size(wanted) <= TENSORS_MAX;
    for (size_t i = 0; fine && i < 3; i++)
        fine = add_tensor(file, scaling[i], features);
    for (size_t i = 0; fine && i < json_array_size(wanted); i++) {
        const json_t *item = json_array_get(wanted, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        fine = name && add_tensor(file, name, json_object_get(item, "shape"));
    }
    json_decref(features);
    return fine;
}

/** Length, header, and numbers that are small and of both signs but for those of the scaling. */
static void put_file(const made_file *file, size_t positive, bal_text *bytes) {
    uint64_t length = file->header.length;
    bal_text_append(bytes, (const char *)&length, sizeof length);
    bal_text_append(bytes, file->header.data, file->header.length);
    for (size_t i = 0; i < file->numbers; i++) {
        float number = (float)(i % 7 + 1) * (i < positive || i % 2 ? 0.25f : -0.25f);
        bal_text_append(bytes, (const char *)&number, sizeof number);
    }
}

/** False when the text is no JSON or wants tensors that are too large for a test. */
static bool make_file(const char *text, size_t size, bal_text *bytes) {
    json_t *root;
    if (bal_json_parse(text, size, "d", &root, NULL) != BAL_OK) return false;
    char *copy = bal_strndup(text, size);
    made_file file = {.numbers = 0};
    bal_json_out_init(&file.out, &file.header, BAL_JSON_TIGHT);
    bal_json_out_object(&file.out);
    bal_json_out_key(&file.out, "__metadata__");
    bal_json_out_object(&file.out);
    bal_json_out_named_string(&file.out, "ballast", copy);
    bal_json_out_object_end(&file.out);
    bool fine = copy && add_tensors(&file, root);
    bal_json_out_object_end(&file.out);
    if (fine) put_file(&file, 3 * json_array_size(json_object_get(root, "features")), bytes);
    bal_free(copy);
    bal_text_release(&file.header);
    json_decref(root);
    return fine && !bal_text_failed(bytes);
}

/* ---- using it ---- */

/** One for all inputs; threads would only make them slower. */
static bal_backend *the_backend(void) {
    static bal_backend *backend;
    if (!backend &&
        bal_backend_open(NULL, &(bal_backend_options){.threads = 1}, &backend, NULL) != BAL_OK)
        abort();
    return backend;
}

static void answer(bal_predictor *predictor) {
    size_t width = (size_t)bal_predictor_features(predictor);
    int32_t n_heads = bal_predictor_heads(predictor);
    float *x = bal_calloc(ROWS * width, sizeof *x);
    float *outputs[BAL_HEADS_MAX] = {0};
    if (n_heads < 1 || n_heads > BAL_HEADS_MAX || width < 1 || !x) abort();
    x[0] = NAN;
    x[ROWS * width - 1] = 1e30f;
    for (int32_t h = 0; h < n_heads; h++) {
        const bal_model_head *head = bal_predictor_head(predictor, h);
        if (head->outputs < 1 || !head->name || !head->prior) abort();
        outputs[h] = bal_calloc(ROWS * (size_t)head->outputs, sizeof(float));
    }
    if (bal_predictor_run(predictor, x, ROWS, outputs, NULL) != BAL_OK) abort();
    for (int32_t h = 0; h < n_heads; h++) {
        const bal_model_head *head = bal_predictor_head(predictor, h);
        if (head->kind != BAL_HEAD_VALUE &&
            bal_model_head_class(head, outputs[h]) >= head->classes.count)
            abort();
        bal_free(outputs[h]);
    }
    bal_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bal_predictor *predictor = NULL;
    bal_error err = {0};
    bal_text made = {0};
    const void *bytes = size ? (const void *)data : "";
    if (size && data[0] == '{') {
        if (!make_file(bytes, size, &made)) {
            bal_text_release(&made);
            return 0;
        }
        bytes = made.data;
        size = made.length;
    }
    bal_status status =
        bal_predictor_open_memory(bytes, size, "f", the_backend(), &predictor, &err);
    if (status == BAL_OK)
        answer(predictor);
    else if (status != BAL_EFORMAT || predictor || strncmp(err.message, "f: ", 3) != 0)
        abort();
    bal_predictor_close(predictor);
    bal_text_release(&made);
    return 0;
}
