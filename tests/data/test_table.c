/* data/table*.c: which columns become features, what is said of bad data, matching a model by name
 * or position; from CSV files, npz archives and simulators. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/simulator.h"
#include "data/table.h"
#include "format/npz.h"
#include "scratch.h"

static char *folder; /* for the files of this program */
static char path[512];

static const char *at(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *csv_file(const char *text) {
    const char *file = at("a.csv");
    assert_int_equal(bal_file_replace(file, text, strlen(text), NULL), BAL_OK);
    return file;
}

#define LIST(...)                                                                                  \
    ((const char *const[]){__VA_ARGS__}),                                                          \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static bal_table_options csv_options(const char *text) {
    return (bal_table_options){.kind = "csv", .path = csv_file(text)};
}

static void want_columns(bal_table_options *options, const char *const *names, size_t n) {
    options->columns = names;
    options->n_columns = (int32_t)n;
}

static bal_table *load(const bal_table_options *options) {
    bal_table *table = NULL;
    bal_error err = {0};
    bal_status status = bal_table_load(options, NULL, &table, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    for (int32_t c = 0; c < table->n_columns; c++)
        assert_ptr_equal(table->columns[c].table, table);
    return table;
}

static char said[1024]; /* by the last refusal */

static void refuse_as(const bal_table_options *options, bal_status wanted, const char *words) {
    bal_table *table = NULL;
    bal_error err = {0};
    bal_status status = bal_table_load(options, NULL, &table, &err);
    if (status != wanted) fail_msg("status %d: %s", (int)status, err.message);
    assert_int_equal(err.status, wanted);
    assert_null(table);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    assert_int_equal(bal_table_load(options, NULL, &table, NULL), wanted);
    memcpy(said, err.message, sizeof said);
}

static void refuse(const bal_table_options *options, const char *words) {
    refuse_as(options, BAL_EDATA, words);
}

static void assert_features(const bal_table *table, const char *const *names, size_t n) {
    assert_int_equal(table->features, n);
    for (size_t j = 0; j < n; j++)
        assert_string_equal(table->feature_names[j], names[j]);
}

static void assert_row(const bal_table *table, int64_t row, const double *numbers) {
    for (int32_t j = 0; j < table->features; j++) {
        double found = (double)table->x[row * table->features + j];
        if (isnan(numbers[j]) ? !isnan(found) : found != (double)(float)numbers[j])
            fail_msg("row %d feature %d is %g, not %g", (int)row, (int)j, found, numbers[j]);
    }
}

#define ROW(...) ((const double[]){__VA_ARGS__})

/* ---- csv: choosing columns ---- */

static const char leaves[] = "id,species,margin,shape,texture,plot\n"
                             "1,oak,0.5,1,-2,a\n"
                             "2,elm,0.25,2,4,b\n"
                             "3,oak,,3,1e3,b\n";

static void all_but_targets(void **state) {
    bal_table_options options = csv_options(leaves);
    want_columns(&options, LIST("species", "plot"));
    options.ignore = (const char *const[]){"id"};
    options.n_ignore = 1;
    options.missing = "mean";
    bal_table *table = load(&options);
    assert_string_equal(table->source, path);
    assert_int_equal(table->rows, 3);
    assert_features(table, LIST("margin", "shape", "texture"));
    assert_row(table, 0, ROW(.5, 1, -2));
    assert_row(table, 1, ROW(.25, 2, 4));
    assert_row(table, 2, ROW(NAN, 3, 1000));
    const bal_column *species = bal_table_column(table, "species");
    assert_true(species->is_text);
    assert_string_equal(species->text[0], "oak");
    assert_string_equal(species->text[1], "elm");
    assert_string_equal(bal_table_column(table, "plot")->text[2], "b");
    assert_null(bal_table_column(table, "id"));
    bal_table_free(table);
}

static void listed_features(void **state) {
    bal_table_options options = csv_options(leaves);
    want_columns(&options, LIST("species"));
    options.features = (const char *const[]){"texture", "id"};
    options.n_features = 2;
    bal_table *table = load(&options);
    assert_features(table, LIST("texture", "id"));
    assert_row(table, 2, ROW(1000, 3));
    bal_table_free(table);
}

static void many_rows(void **state) {
    enum { ROWS = 1000, WIDTH = 3 }; /* more than are transposed at a time */
    bal_text text = {0};
    bal_text_puts(&text, "a,b,c\n");
    for (int i = 0; i < ROWS; i++)
        bal_text_printf(&text, "%d,%d,%d\n", i, 2 * i, -i);
    bal_table_options options = csv_options(text.data);
    bal_table *table = load(&options);
    assert_int_equal(table->rows, ROWS);
    for (int i = 0; i < ROWS; i++)
        assert_row(table, i, ROW(i, 2 * i, -i));
    bal_table_free(table);
    bal_text_release(&text);
}

static void without_a_header(void **state) {
    bal_table_options options = csv_options("T,2,8\nI,5,12\nD,4,11\n");
    want_columns(&options, LIST("c1"));
    bal_table *table = load(&options);
    assert_features(table, LIST("c2", "c3"));
    assert_int_equal(table->rows, 3);
    assert_string_equal(bal_table_column(table, "c1")->text[2], "D");
    bal_table_free(table);
}

static void header_and_separator_as_told(void **state) {
    bal_table_options options = csv_options("1;2\n3;4\n");
    options.header = "yes";
    options.separator = ";";
    bal_table *table = load(&options);
    assert_features(table, LIST("1", "2"));
    assert_int_equal(table->rows, 1);
    bal_table_free(table);
    options.header = "no";
    table = load(&options);
    assert_features(table, LIST("c1", "c2"));
    assert_int_equal(table->rows, 2);
    bal_table_free(table);

    options = csv_options("a\tb\n1\t2\n");
    options.separator = "tab";
    options.header = "auto";
    table = load(&options);
    assert_features(table, LIST("a", "b"));
    bal_table_free(table);
}

static void columns_of_numbers(void **state) {
    bal_table_options options = csv_options("x,y\n1,3\n2,\n3,-1.5\n");
    want_columns(&options, LIST("y"));
    bal_table *table = load(&options);
    const bal_column *y = bal_table_column(table, "y");
    assert_false(y->is_text);
    assert_null(y->text);
    assert_true(y->number[0] == 3 && isnan(y->number[1]) && y->number[2] == -1.5);
    bal_table_free(table);
}

static void missing_labels(void **state) {
    bal_table_options options = csv_options("x,y\n1,a\n2,\n3,NA\n4,b\n");
    want_columns(&options, LIST("y"));
    bal_table *table = load(&options);
    const bal_column *y = bal_table_column(table, "y");
    assert_string_equal(y->text[0], "a");
    assert_null(y->text[1]);
    assert_null(y->text[2]);
    assert_string_equal(y->text[3], "b");
    bal_table_free(table);
}

/* ---- csv: bad data ---- */

static void text_among_numbers(void **state) {
    bal_table_options options = csv_options("a,b\n1,2\n3,4\n5,six\n7,8\n");
    refuse(&options, "a.csv:4: row 3, column 'b'");
    assert_non_null(strstr(said, "'six'"));
}

static void text_for_a_feature(void **state) {
    bal_table_options options = csv_options(leaves);
    options.missing = "mean";
    refuse(&options, "column 'species' holds text ('oak' in row 1)");
    assert_non_null(strstr(said, "data.ignore"));
}

static void two_columns_of_one_name(void **state) {
    bal_table_options options = csv_options("a,b,a\n1,2,3\n");
    refuse(&options, "'a'");
}

static void missing_values(void **state) {
    const char *const texts[] = {"a,b\n1,2\n,4\n", "a,b\n1,2\nnan,4\n", "a,b\n1,2\nNA,4\n"};
    for (int i = 0; i < 3; i++) {
        bal_table_options options = csv_options(texts[i]);
        options.missing = "error";
        refuse(&options, "a.csv:3: row 2, feature 'a': missing or NaN");
        assert_non_null(strstr(said, "data.missing: mean"));
        options.missing = NULL;
        refuse(&options, "missing or NaN");
        options.missing = "mean";
        bal_table *table = load(&options);
        assert_row(table, 1, ROW(NAN, 4));
        bal_table_free(table);
    }
}

static void infinite_values(void **state) {
    const char *const texts[] = {"a,b\n1,2\n2,inf\n", "a,b\n1,2\n2,-inf\n", "a,b\n1,2\n2,1e39\n"};
    for (int i = 0; i < 3; i++) {
        bal_table_options options = csv_options(texts[i]);
        options.missing = "mean"; /* no excuse */
        refuse(&options, "a.csv:3: row 2, feature 'b': infinite or too large");
    }
}

static void no_rows(void **state) {
    bal_table_options options = csv_options("a,b\n");
    options.header = "yes";
    refuse(&options, "no rows");
    options = csv_options("");
    refuse(&options, "a.csv");
}

static void no_file(void **state) {
    bal_table_options options = {.kind = "csv", .path = at("none.csv")};
    refuse(&options, "none.csv does not exist");
    options.kind = "npz";
    refuse(&options, "none.csv does not exist");
    options.path = folder;
    refuse(&options, folder);
    options.kind = "csv";
    refuse(&options, folder);
    options.kind = "xls";
    refuse_as(&options, BAL_ERECIPE, "'xls' is none of csv, npz, simulated");
}

static void malformed_file(void **state) {
    bal_table_options options = csv_options("a,b\n1,2\n3\n");
    refuse(&options, "a.csv:3");
    options.kind = "npz";
    refuse(&options, "a.csv");
}

static void unknown_columns(void **state) {
    bal_table_options options = csv_options(leaves);
    options.missing = "mean";
    want_columns(&options, LIST("specie"));
    refuse(&options, "no column 'specie'; did you mean 'species'?");
    want_columns(&options, LIST("species"));
    options.ignore = (const char *const[]){"plott"};
    options.n_ignore = 1;
    refuse(&options, "no column 'plott'; did you mean 'plot'?");
    options.ignore = NULL;
    options.n_ignore = 0;
    options.features = (const char *const[]){"margin", "shpae"};
    options.n_features = 2;
    refuse(&options, "no column 'shpae'; did you mean 'shape'?");
}

static void nothing_left_for_features(void **state) {
    bal_table_options options = csv_options("a,b\n1,2\n");
    want_columns(&options, LIST("a", "b"));
    refuse(&options, "no column is left for the features");
}

/* ---- csv: for a trained model ---- */

static void expect(bal_table_options *options, const char *const *names, size_t n) {
    options->expected_features = names;
    options->n_expected = (int32_t)n;
    options->columns_optional = true;
}

static void prediction_matches_by_name(void **state) {
    bal_table_options options = csv_options("y,b,extra,a\nu,2,text,1\nv,4,text,3\n");
    want_columns(&options, LIST("y", "absent"));
    options.ignore = (const char *const[]){"was there in training"};
    options.n_ignore = 1;
    expect(&options, LIST("a", "b"));
    bal_table *table = load(&options);
    assert_features(table, LIST("a", "b"));
    assert_row(table, 0, ROW(1, 2));
    assert_row(table, 1, ROW(3, 4));
    assert_string_equal(bal_table_column(table, "y")->text[1], "v");
    assert_null(bal_table_column(table, "absent"));
    bal_table_free(table);

    expect(&options, LIST("a", "bb"));
    refuse(&options, "no column 'bb'");
}

/* Trained on c1 (label), c2, c3: predicting from two columns, and from three with the label. */
static void prediction_matches_by_position(void **state) {
    bal_table_options options = csv_options("2,8\n5,12\n");
    want_columns(&options, LIST("c1"));
    expect(&options, LIST("c2", "c3"));
    bal_table *table = load(&options);
    assert_row(table, 0, ROW(2, 8));
    bal_table_free(table);

    options.path = csv_file("T,2,8\nI,5,12\n");
    table = load(&options);
    assert_row(table, 1, ROW(5, 12));
    assert_string_equal(bal_table_column(table, "c1")->text[0], "T");
    bal_table_free(table);

    options.path = csv_file("2\n5\n");
    options.header = "no";
    refuse(&options, "1 columns and no header; the model wants 2 features");
    options.path = csv_file("1,2,3,4,5\n6,7,8,9,10\n");
    expect(&options, LIST("margin", "shape"));
    refuse(&options, "5 columns and no header; the model wants 2 features");
    options.path = csv_file("1,2\n6,7\n");
    table = load(&options);
    assert_row(table, 1, ROW(6, 7));
    bal_table_free(table);
}

/* ---- npz ---- */

static bal_npz_writer *writer;

static const char *begin_npz(void) {
    const char *file = at("a.npz");
    assert_int_equal(bal_npz_writer_open(file, false, &writer, NULL), BAL_OK);
    return file;
}

static void add_array(const char *name, bal_dtype dtype, bal_shape shape, const void *data) {
    bal_tensor tensor = {.dtype = dtype, .shape = shape, .data = (void *)(uintptr_t)data};
    assert_int_equal(bal_npz_writer_add(writer, name, &tensor, NULL), BAL_OK);
}

static void add_text(const char *name, const char *const *text, int64_t n) {
    bal_shape shape = BAL_SHAPE1(n);
    assert_int_equal(bal_npz_writer_add_text(writer, name, text, &shape, NULL), BAL_OK);
}

static void end_npz(void) {
    assert_int_equal(bal_npz_writer_commit(writer, NULL), BAL_OK);
}

static const float three_by_two[] = {1, 2, 3, 4, 5, 6};
static const double three_by_three[] = {.1, .2, .3, .4, .5, .6, .7, .8, .9};
static const int64_t three_ids[] = {7, -8, (int64_t)1 << 53};
static const char *const three_names[] = {"oak", "", "\xC3\xA7\xC4\xB1nar"};

static bal_table_options npz_options(void) {
    bal_table_options options = {.kind = "npz", .path = begin_npz()};
    add_array("X", BAL_F32, BAL_SHAPE2(3, 2), three_by_two);
    add_array("more", BAL_F64, BAL_SHAPE2(3, 3), three_by_three);
    add_array("one", BAL_I32, BAL_SHAPE1(3), (const int32_t[]){-1, 0, 1});
    add_array("cube", BAL_F32, BAL_SHAPE3(1, 3, 2), three_by_two);
    add_array("id", BAL_I64, BAL_SHAPE1(3), three_ids);
    add_array("id_column", BAL_I64, BAL_SHAPE2(3, 1), three_ids);
    add_array("flag", BAL_U8, BAL_SHAPE1(3), "\1\0\377");
    add_array("real", BAL_F64, BAL_SHAPE1(3), three_by_three);
    add_array("short", BAL_F32, BAL_SHAPE1(2), three_by_two);
    add_array("scalar", BAL_F32, (bal_shape){0}, three_by_two);
    add_array("none", BAL_F32, BAL_SHAPE2(0, 2), three_by_two);
    add_array("nan", BAL_F32, BAL_SHAPE2(3, 1), (const float[]){0, NAN, 1});
    add_array("inf", BAL_F64, BAL_SHAPE2(3, 1), (const double[]){0, 1, INFINITY});
    add_array("large", BAL_F64, BAL_SHAPE2(3, 1), (const double[]){0, 1e300, 1});
    add_array("exact", BAL_I64, BAL_SHAPE1(3), (const int64_t[]){0, 1, ((int64_t)1 << 53) + 1});
    add_text("y", three_names, 3);
    end_npz();
    return options;
}

/* What doubles cannot tell apart is kept beside them, also when rows are chosen. */
static void csv_of_large_whole_numbers(void **state) {
    bal_table_options options =
        csv_options("a,at,day\n1,1730000000000000050,1\n2,7,2\n3,1730000000000000000,3\n");
    static const char *const features[] = {"a"};
    options.features = features;
    options.n_features = 1;
    want_columns(&options, LIST("at", "day"));
    bal_table *table = load(&options);
    const bal_column *at = bal_table_column(table, "at");
    assert_true(at->number[0] == at->number[2]);
    assert_true(at->whole[0] == 1730000000000000050 && at->whole[1] == 7);
    assert_null(bal_table_column(table, "day")->whole);
    const int64_t rows[] = {1, 2};
    assert_int_equal(bal_table_select(table, rows, 2, NULL), BAL_OK);
    assert_true(at->whole[0] == 7 && at->whole[1] == 1730000000000000000);
    bal_table_free(table);
}

static void npz_of_one_array(void **state) {
    bal_table_options options = npz_options();
    want_columns(&options, LIST("y", "id", "id_column", "flag", "real"));
    bal_table *table = load(&options);
    assert_string_equal(table->source, path);
    assert_int_equal(table->rows, 3);
    assert_features(table, LIST("X[0]", "X[1]"));
    assert_row(table, 2, ROW(5, 6));
    assert_null(table->row_line);
    const bal_column *y = bal_table_column(table, "y");
    assert_true(y->is_text);
    assert_string_equal(y->text[0], "oak");
    assert_null(y->text[1]); /* an empty label is none */
    assert_string_equal(y->text[2], "\xC3\xA7\xC4\xB1nar");
    for (int c = 1; c <= 2; c++) {
        assert_false(table->columns[c].is_text);
        assert_true(table->columns[c].number[1] == -8);
        assert_true(table->columns[c].number[2] == 0x1p53);
    }
    assert_true(bal_table_column(table, "flag")->number[2] == 255);
    assert_true(bal_table_column(table, "real")->number[1] == .2);
    bal_table_free(table);
}

static void npz_of_several_arrays(void **state) {
    bal_table_options options = npz_options();
    options.features = (const char *const[]){"more", "one", "X"};
    options.n_features = 3;
    bal_table *table = load(&options);
    assert_features(table, LIST("more[0]", "more[1]", "more[2]", "one[0]", "X[0]", "X[1]"));
    assert_row(table, 0, ROW(.1, .2, .3, -1, 1, 2));
    assert_row(table, 2, ROW(.7, .8, .9, 1, 5, 6));
    bal_table_free(table);

    options.features = (const char *const[]){"cube"};
    options.n_features = 1;
    table = load(&options); /* everything behind the rows is one row */
    assert_int_equal(table->rows, 1);
    assert_row(table, 0, ROW(1, 2, 3, 4, 5, 6));
    bal_table_free(table);
}

static void npz_of_wrong_arrays(void **state) {
    const struct {
        const char *arrays[2], *column, *words;
    } cases[] = {
        {{"x"}, NULL, "'X'"}, /* the nearest */
        {{"y"}, NULL, "array 'y' holds text; features are numbers"},
        {{"scalar"}, NULL, "array 'scalar' has shape []; wanted [rows, features]"},
        {{"none"}, NULL, "array 'none' has shape [0,2]: no rows"},
        {{"X", "short"}, NULL, "array 'short' has shape [2] but 'X' has 3 rows"},
        {{"nan"}, NULL, "row 2, feature 'nan[0]': missing or NaN"},
        {{"inf"}, NULL, "row 3, feature 'inf[0]': infinite"},
        {{"large"}, NULL, "array 'large'"},
        {{"X"}, "yy", "'yy'"},
        {{"X"}, "more", "array 'more' has shape [3,3]; wanted [3], one entry per row"},
        {{"X"}, "short", "array 'short' has shape [2]; wanted [3]"},
        {{"X"}, "scalar", "array 'scalar' has shape []; wanted [3]"},
        {{"X"}, "exact", "array 'exact' holds whole numbers beyond 2^53"},
    };
    bal_table_options options = npz_options();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.features = cases[i].arrays;
        options.n_features = cases[i].arrays[1] ? 2 : 1;
        options.columns = &cases[i].column;
        options.n_columns = cases[i].column != NULL;
        refuse(&options, cases[i].words);
        assert_non_null(strstr(said, "a.npz"));
    }
    options.features = (const char *const[]){"nan"};
    options.n_columns = 0;
    options.missing = "mean";
    bal_table *table = load(&options);
    assert_row(table, 1, ROW(NAN));
    bal_table_free(table);
}

static void npz_for_a_model(void **state) {
    bal_table_options options = npz_options();
    want_columns(&options, LIST("absent", "y"));
    expect(&options, LIST("c1", "c2"));
    bal_table *table = load(&options);
    assert_null(bal_table_column(table, "absent"));
    assert_non_null(bal_table_column(table, "y"));
    bal_table_free(table);
    expect(&options, LIST("c1", "c2", "c3"));
    refuse(&options, "holds 2 features per row; the model was trained on 3");
    options.columns_optional = false;
    refuse(&options, "'absent'");
}

/* ---- simulated ---- */

static void simulated(void **state) {
    bal_table_options options = {
        .kind = "simulated",
        .simulator = "hand_landmarks",
        .simulator_samples = 50,
        .simulator_classes = 5,
        .simulator_seed = 3,
    };
    want_columns(&options, LIST("label"));
    bal_table *table = load(&options), *same = NULL;
    assert_int_equal(table->rows, 50);
    assert_int_equal(table->features, 126);
    bal_simulator_options direct = bal_simulator_find("hand_landmarks")->defaults;
    direct.samples = 50;
    direct.classes = 5;
    direct.seed = 3;
    assert_int_equal(bal_simulator_find("hand_landmarks")->make(&direct, &same, NULL), BAL_OK);
    assert_memory_equal(table->x, same->x, 50 * 126 * sizeof(float));
    bal_table_free(table);
    bal_table_free(same);

    options.simulator_noise = 2;
    options.simulator_imbalance = 3;
    table = load(&options);
    direct.noise = 2;
    direct.imbalance = 3;
    assert_int_equal(bal_simulator_find("hand_landmarks")->make(&direct, &same, NULL), BAL_OK);
    assert_memory_equal(table->x, same->x, 50 * 126 * sizeof(float));
    bal_table_free(table);
    bal_table_free(same);

    want_columns(&options, LIST("y"));
    refuse(&options, "no column 'y'; the labels are in 'label'");
    options.n_columns = 0;
    expect(&options, LIST("a", "b"));
    refuse(&options, "holds 126 features per row; the model was trained on 2");
    options.expected_features = NULL;
    options.simulator_samples = 4;
    refuse(&options, "5 classes and 4 samples");
    options.simulator = "hand_landmark";
    refuse_as(&options, BAL_ERECIPE, "did you mean 'hand_landmarks'");
    options.simulator = "crash_fair";
    refuse_as(&options, BAL_ERECIPE, "makes a series, not a table; use it with kind: sequence");
    options.simulator = NULL;
    refuse_as(&options, BAL_ERECIPE, "no simulator is called ''; there is 'hand_landmarks'");
}

/* ---- selecting, places, memory ---- */

static void selecting_rows(void **state) {
    bal_table_options options = csv_options("x,y,z\n0,a,0\n1,b,1\n\n2,c,2\n3,d,3\n4,e,4\n");
    want_columns(&options, LIST("y", "z"));
    bal_table *table = load(&options);
    char place[512], wanted[600];
    const int64_t first[] = {1, 2, 4}, second[] = {0, 2};
    assert_int_equal(bal_table_select(table, first, 3, NULL), BAL_OK);
    assert_int_equal(bal_table_select(table, second, 2, NULL), BAL_OK);
    assert_int_equal(table->rows, 2);
    assert_row(table, 0, ROW(1));
    assert_row(table, 1, ROW(4));
    assert_string_equal(table->columns[0].text[1], "e");
    assert_true(table->columns[1].number[1] == 4);
    /* Places are those of the file: a header, a blank line. */
    snprintf(wanted, sizeof wanted, "%s:7: row 5", path);
    assert_string_equal(bal_table_place(table, 1, place, sizeof place), wanted);
    snprintf(wanted, sizeof wanted, "%s:3: row 2, column 'y'", path);
    assert_string_equal(bal_column_place(&table->columns[0], 0, place, sizeof place), wanted);

    const int64_t wrong[][2] = {{1, 0}, {0, 0}, {-1, 0}, {0, 2}};
    for (int i = 0; i < 4; i++)
        assert_int_equal(bal_table_select(table, wrong[i], 2, NULL), BAL_EINVAL);
    assert_int_equal(table->rows, 2);
    bal_error err = {0};
    assert_int_equal(bal_table_select(table, wrong[0], 0, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "no rows are left"));
    bal_table_free(table);

    options = npz_options();
    options.n_columns = 0;
    table = load(&options);
    snprintf(wanted, sizeof wanted, "%s: row 3", path);
    assert_string_equal(bal_table_place(table, 2, place, sizeof place), wanted);
    assert_int_equal(bal_table_select(table, (const int64_t[]){2}, 1, NULL), BAL_OK);
    assert_string_equal(bal_table_place(table, 0, place, sizeof place), wanted);
    bal_table_free(table);
}

static void keep_line(void *user, bal_log_level level, const char *message) {
    snprintf(user, 200, "%s", message);
}

static void what_is_logged(void **state) {
    char line[200] = "", wanted[600];
    bal_log_sink sink = {keep_line, line, BAL_LOG_INFO};
    bal_table *table;
    bal_table_options options = csv_options("a\tb\n1\t2\n");
    assert_int_equal(bal_table_load(&options, &sink, &table, NULL), BAL_OK);
    snprintf(wanted, sizeof wanted,
             "%s: 1 rows, 2 columns, separator 'tab', names in the first row", path);
    assert_string_equal(line, wanted);
    bal_table_free(table);
}

static void fail_every_allocation(const bal_table_options *options) {
    bal_status status = BAL_ENOMEM;
    for (int n = 0; status != BAL_OK; n++) {
        bal_table *table = NULL;
        bal_error err = {0};
        assert_true(n < 500);
        bal_memory_fail_after(n);
        status = bal_table_load(options, NULL, &table, &err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) {
            bal_memory_fail_after(0);
            assert_int_equal(bal_table_select(table, (const int64_t[]){1}, 1, NULL), BAL_ENOMEM);
            bal_memory_fail_after(-1);
            bal_table_free(table);
        } else {
            if (status != BAL_ENOMEM) fail_msg("allocation %d: %s", n, err.message);
            assert_null(table);
        }
    }
}

static void failing_memory(void **state) {
    bal_table_options options = csv_options(leaves);
    want_columns(&options, LIST("species", "id"));
    options.ignore = (const char *const[]){"plot"};
    options.n_ignore = 1;
    options.missing = "mean";
    fail_every_allocation(&options);

    options = npz_options();
    want_columns(&options, LIST("y", "id"));
    options.features = (const char *const[]){"more", "X"};
    options.n_features = 2;
    fail_every_allocation(&options);
    options.features = NULL;
    options.n_features = 0;
    fail_every_allocation(&options);

    options = (bal_table_options){.kind = "simulated",
                                  .simulator = "hand_landmarks",
                                  .simulator_samples = 9,
                                  .simulator_classes = 3};
    fail_every_allocation(&options);
}

static int make_folder(void **state) {
    folder = scratch_new();
    return 0;
}

static int remove_folder(void **state) {
    scratch_free(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_but_targets),
        cmocka_unit_test(listed_features),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(without_a_header),
        cmocka_unit_test(header_and_separator_as_told),
        cmocka_unit_test(columns_of_numbers),
        cmocka_unit_test(missing_labels),
        cmocka_unit_test(text_among_numbers),
        cmocka_unit_test(text_for_a_feature),
        cmocka_unit_test(two_columns_of_one_name),
        cmocka_unit_test(missing_values),
        cmocka_unit_test(infinite_values),
        cmocka_unit_test(no_rows),
        cmocka_unit_test(no_file),
        cmocka_unit_test(malformed_file),
        cmocka_unit_test(unknown_columns),
        cmocka_unit_test(nothing_left_for_features),
        cmocka_unit_test(prediction_matches_by_name),
        cmocka_unit_test(prediction_matches_by_position),
        cmocka_unit_test(csv_of_large_whole_numbers),
        cmocka_unit_test(npz_of_one_array),
        cmocka_unit_test(npz_of_several_arrays),
        cmocka_unit_test(npz_of_wrong_arrays),
        cmocka_unit_test(npz_for_a_model),
        cmocka_unit_test(simulated),
        cmocka_unit_test(selecting_rows),
        cmocka_unit_test(what_is_logged),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests_name("table", tests, make_folder, remove_folder);
}
