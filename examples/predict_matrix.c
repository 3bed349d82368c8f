/* Ask a trained model about rows of numbers: D numbers per row from standard input, one line of
 * answer per row.
 *
 *     predict_matrix MODEL < numbers.txt
 *
 * Built against an installed Ballast:
 *     cc predict_matrix.c $(pkg-config --cflags --libs ballast) -o predict_matrix */
#include <stdio.h>
#include <stdlib.h>

#include <ballast/ballast.h>

/** All numbers of standard input; how many in *ret_count. NULL when they are too many. */
static float *read_numbers(size_t *ret_count) {
    size_t count = 0, room = 1024;
    float *numbers = malloc(room * sizeof *numbers);
    while (numbers && fscanf(stdin, "%f%*[ ,;\t]", &numbers[count]) == 1) {
        if (++count < room) continue;
        float *more = realloc(numbers, (room *= 2) * sizeof *numbers);
        if (!more) free(numbers);
        numbers = more;
    }
    *ret_count = count;
    return numbers;
}

static void print_answers(const bal_estimator *model, const int32_t *classes, const float *p,
                          const float *entropy, size_t n_rows) {
    size_t n_classes = bal_estimator_classes(model, 0);
    for (size_t row = 0; row < n_rows; row++) {
        if (classes[row] < 0)
            printf("%zu: no answer\n", row + 1);
        else
            printf("%zu: %s, probability %.4f, entropy %.4f\n", row + 1,
                   bal_estimator_class(model, 0, (size_t)classes[row]),
                   (double)p[row * n_classes + (size_t)classes[row]], (double)entropy[row]);
    }
}

/** Classes of all rows of x; the exit code. */
static int answer(bal_estimator *model, const float *x, size_t n_rows) {
    size_t n_classes = bal_estimator_classes(model, 0);
    bal_error err = {BAL_OK, ""};
    int32_t *classes = malloc(n_rows * sizeof *classes);
    float *p = malloc(n_rows * n_classes * sizeof *p);
    float *entropy = malloc(n_rows * sizeof *entropy);
    int code = 1;
    if (!classes || !p || !entropy)
        fprintf(stderr, "out of memory\n");
    else if (bal_estimator_classify(model, 0, x, n_rows, bal_estimator_features(model), classes, p,
                                    entropy, &err) != BAL_OK)
        fprintf(stderr, "%s\n", err.message);
    else
        code = 0;
    if (code == 0) print_answers(model, classes, p, entropy, n_rows);
    free(classes);
    free(p);
    free(entropy);
    return code;
}

static int ask(bal_estimator *model) {
    size_t width = bal_estimator_features(model), count;
    float *x = read_numbers(&count);
    int code = 2;
    printf("%s: %zu features, head '%s' with %zu classes\n", bal_estimator_name(model), width,
           bal_estimator_head(model, 0), bal_estimator_classes(model, 0));
    if (!x)
        fprintf(stderr, "out of memory\n");
    else if (bal_estimator_classes(model, 0) == 0)
        fprintf(stderr, "the model predicts numbers; see bal_estimator_values\n");
    else if (count == 0 || count % width != 0)
        fprintf(stderr, "%zu numbers are no rows of %zu\n", count, width);
    else
        code = answer(model, x, count / width);
    free(x);
    return code;
}

int main(int argc, char **argv) {
    bal_error err = {BAL_OK, ""};
    bal_estimator *model = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL < numbers\n", argv[0]);
        return 2;
    }
    if (bal_estimator_load(argv[1], 0, &model, &err) != BAL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int code = ask(model);
    bal_estimator_free(model);
    return code;
}
