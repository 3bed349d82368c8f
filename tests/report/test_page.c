/* report/page*.c: a small run written by hand, whose names and messages try to break out of the
 * page; runs with files missing or damaged, in every state; failing memory and storage. That the
 * page is well formed is checked here, by a reader of tags of its own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/npz.h"
#include "report/page.h"
#include "scratch.h"

#define EVIL "<script>alert(\\\"x\\\")</script>&'"
#define EVIL_SHOWN "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;"

static char *folder, *page;
static bal_error err;

/* ---- a run ---- */

static char *path_of(const char *name) {
    char *path = bal_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static void put(const char *name, const char *content) {
    char *path = path_of(name);
    if (bal_file_replace(path, content, strlen(content), NULL) != BAL_OK) fail_msg("%s", path);
    bal_free(path);
}

static void drop(const char *name) {
    char *path = path_of(name);
    assert_int_equal(remove(path), 0);
    bal_free(path);
}

static const unsigned char png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,   0,   0,
                                    13,   'I', 'H', 'D', 'R',  0,    0,    0,    120, 0,   0,
                                    0,    80,  8,   2,   0,    0xff, 0xfe, 0,    1,   '<', '"'};

static void put_picture(const char *name, size_t size) {
    char *path = path_of(name);
    assert_int_equal(bal_file_replace(path, png, size, NULL), BAL_OK);
    bal_free(path);
}

static void add_rows(bal_npz_writer *writer, const char *name, int32_t *rows, int64_t n) {
    bal_tensor tensor = {.dtype = BAL_I32, .shape = BAL_SHAPE1(n), .data = rows};
    assert_int_equal(bal_npz_writer_add(writer, name, &tensor, NULL), BAL_OK);
}

/** Class 1 is known worst: one of three rows, two taken for class 2; class 3 has no rows. */
static void put_predictions(void) {
    int32_t labels[] = {0, 0, 0, 1, 1, 1, 2, 2, -1}, called[] = {0, 0, 2, 1, 2, 2, 2, 2, 0};
    const char *names[] = {"red", "<script>alert(\"x\")</script>&'", "blue", "unseen"};
    bal_shape shape = BAL_SHAPE1(4);
    bal_npz_writer *writer = NULL;
    char *path = path_of("predictions.npz");
    assert_int_equal(bal_npz_writer_open(path, true, &writer, NULL), BAL_OK);
    add_rows(writer, "label.labels", labels, 9);
    add_rows(writer, "label.predictions", called, 9);
    assert_int_equal(bal_npz_writer_add_text(writer, "label.classes", names, &shape, NULL), BAL_OK);
    assert_int_equal(bal_npz_writer_commit(writer, NULL), BAL_OK);
    bal_free(path);
}

static const char health[] =
    "{\"verdict\": \"recovered\", \"outcome\": \"ok\", \"policy\": \"recover\", \"summary\": \"\","
    " \"incidents\": 2, \"incidents_by_detector\": {\"one_class\": 1, \"swing\": 1},"
    " \"hypotheses\": [{\"hypothesis\": \"h\", \"statement\": \"It is " EVIL "\", \"fit\": 0.75,"
    " \"why\": \"because\", \"evidence\": {\"top\": 1.0}, \"try\": \"less\"}],"
    " \"note\": \"none proved\", \"rollbacks\": 1, \"tried\": [{\"remedy\": \"learning rate × "
    "0.5\","
    " \"because\": \"one_class\", \"epoch\": 2, \"step\": 20, \"result\": \"accepted\"}]}\n";

static const char metrics[] =
    "{\"epoch\": 1, \"step\": 10, \"attempt\": 0, \"lr\": 0.02, \"train\": {\"loss\": 1.5},"
    " \"val\": {\"label\": {\"loss\": 1.25, \"accuracy\": 0.5, \"macro_f1\": 0.4}},"
    " \"monitor\": 0.4, \"eligible\": true, \"seconds\": 1.0}\n"
    "{\"epoch\": 2, \"step\": 20, \"attempt\": 0, \"lr\": 0.02, \"train\": {\"loss\": \"NaN\"},"
    " \"val\": {\"label\": {\"loss\": \"Infinity\", \"accuracy\": 0.25, \"macro_f1\": 0.1}},"
    " \"monitor\": 0.1, \"eligible\": false, \"ineligible_reason\": \"of " EVIL "\"}\n"
    "{\"epoch\": 2, \"step\": 20, \"attempt\": 1, \"lr\": 0.01, \"train\": {\"loss\": 1.1},"
    " \"val\": {\"label\": {\"loss\": 1.0, \"accuracy\": 0.75, \"macro_f1\": 0.7}},"
    " \"monitor\": 0.7, \"eligible\": true, \"seconds\": 3.0}\n";

static const char incidents[] =
    "{\"detector\": \"one_class\", \"head\": \"label\", \"class\": \"" EVIL "\", \"epoch\": 2,"
    " \"step\": 20, \"evaluation\": 2, \"action\": \"recover\", \"message\": \"all is " EVIL "\","
    " \"evidence\": {\"" EVIL "\": 0.5}}\n"
    "{\"detector\": \"swing\", \"head\": \"label\", \"class\": \"red\", \"epoch\": 3, \"step\": 30,"
    " \"evaluation\": 3, \"action\": \"warn\", \"message\": \"to and fro\", \"evidence\": {}}\n";

static const char summary[] =
    "{\"run\": \"r\", \"name\": \"" EVIL "\", \"status\": \"ok\", \"epochs\": 3, \"steps\": 30,"
    " \"best_epoch\": 2, \"monitor\": {\"name\": \"val.label.macro_f1\", \"value\": 0.7},"
    " \"val\": {\"label\": {\"rows\": 8, \"classes\": 4, \"accuracy\": 0.75, \"macro_f1\": 0.7,"
    " \"balanced_accuracy\": 0.72, \"unique_predictions\": 3.0, \"most_common_share\": 0.5,"
    " \"normalized_entropy\": 0.8, \"mcc\": 0.6, \"prior\": {\"accuracy\": 0.3125,"
    " \"balanced_accuracy\": 0.25}}},"
    " \"test\": {\"label\": {\"rows\": 8, \"classes\": 4, \"accuracy\": 0.625, \"roc_auc\": "
    "\"NaN\","
    " \"balanced_accuracy\": 0.66, \"unique_predictions\": 3.0, \"prior\": {\"accuracy\": 0.375,"
    " \"balanced_accuracy\": 0.25}, \"undefined\": {\"roc_auc\": \"one class only\"}}},"
    " \"parameters\": 123456, \"incidents\": 2, \"rollbacks\": 1, \"model\": \"model.safetensors\","
    " \"seconds\": 75.0}\n";

static const struct {
    const char *name, *content;
} files[] = {
    {"summary.json", summary},
    {"health.json", health},
    {"metrics.jsonl", metrics},
    {"incidents.jsonl", incidents},
    {"responsiveness.json",
     "{\"inputs\": 100, \"heads\": {\"label\": {\"output_variance\": 0.125,"
     " \"unique_predictions\": 3, \"classes\": 4, \"most_common_share\": 0.5,"
     " \"normalized_entropy\": 0.75}}}\n"},
    {"class_weights.json", "{\"label\": {\"red\": {\"id\": 0, \"train_rows\": 11, \"weight\": 1.0},"
                           " \"" EVIL "\": {\"id\": 1, \"train_rows\": 4321, \"weight\": 2.5}}}\n"},
    {"env.json", "{\"started\": \"2026-01-02T03:04:05+0000\", \"description\": \"" EVIL "\","
                 " \"threads\": 2, \"memory_bytes\": 17179869184}\n"},
    {"recipe.yaml", "# <b>mine</b>\nname: x\n"},
    {"recipe.resolved.yaml",
     "name: x\ndata: {kind: simulated, simulator: {name: hand_landmarks}}\n"
     "model: {kind: mlp, hidden: [4]}\nheads: [{name: label, kind: classes}]\n"
     "optimizer: {kind: adam, lr: 0.001}\ntrain: {epochs: 3}\n"},
    {"command.txt", "ballast train 'a & b.yaml'\n"},
};

enum { FILES = sizeof files / sizeof *files };

static int set_up(void **state) {
    char *plots;
    folder = scratch_new();
    plots = path_of("plots");
    assert_int_equal(bal_folder_make(plots, NULL), BAL_OK);
    bal_free(plots);
    for (size_t i = 0; i < FILES; i++)
        put(files[i].name, files[i].content);
    put_predictions();
    put_picture("plots/label-loss.png", sizeof png);
    put_picture("plots/label-recall.png", sizeof png - 1);
    put_picture("plots/extra.png", sizeof png - 2);
    page = NULL;
    err = (bal_error){0};
    return 0;
}

static int tear_down(void **state) {
    bal_free(page);
    scratch_free(folder);
    return 0;
}

/* ---- is it well formed? ---- */

static bool is_void(const char *tag, size_t length) {
    return (length == 4 && memcmp(tag, "meta", 4) == 0) ||
           (length == 3 && memcmp(tag, "img", 3) == 0);
}

/** name="value" pairs up to '>'; returns what follows. */
static const char *check_attributes(const char *at) {
    while (*at == ' ') {
        size_t name = strspn(++at, "abcdefghijklmnopqrstuvwxyz-");
        assert_true(name > 0);
        at += name;
        assert_memory_equal(at, "=\"", 2);
        at += 2;
        size_t value = strcspn(at, "\"<>");
        at += value;
        assert_int_equal(*at++, '"');
    }
    assert_int_equal(*at, '>');
    return at + 1;
}

static const char *check_entity(const char *at) {
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = 0; i < 5; i++)
        if (strncmp(at, known[i], strlen(known[i])) == 0) return at + strlen(known[i]);
    fail_msg("a bare & in: %.40s", at);
    return at;
}

/** Every element is closed, in order; nothing else looks like one. */
static void check_structure(const char *at) {
    const char *open[64];
    size_t length[64], depth = 0;
    assert_memory_equal(at, "<!DOCTYPE html>", 15);
    at += 15;
    while (*at) {
        if (*at == '&') {
            at = check_entity(at);
        } else if (*at == '>') {
            fail_msg("a bare > before: %.40s", at);
        } else if (*at != '<') {
            at++;
        } else if (at[1] == '/') {
            assert_true(depth > 0);
            depth--;
            if (strncmp(at + 2, open[depth], length[depth]) != 0 || at[2 + length[depth]] != '>')
                fail_msg("%.*s is closed by %.20s", (int)length[depth], open[depth], at);
            at += 3 + length[depth];
        } else {
            size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz123456");
            assert_true(n > 0 && depth < 64);
            open[depth] = at + 1;
            length[depth] = n;
            bool style = n == 5 && memcmp(at + 1, "style", 5) == 0;
            at = check_attributes(at + 1 + n);
            if (!is_void(open[depth], n)) depth++;
            if (style) at = strstr(at, "</style>");
            assert_non_null(at);
        }
    }
    assert_int_equal(depth, 0);
}

static void make_page(void) {
    size_t size;
    char *path = path_of("report.html");
    bal_free(page);
    page = NULL;
    if (bal_report_page_write(folder, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(bal_file_read(path, 64 << 20, &page, &size, &err), BAL_OK);
    bal_free(path);
    assert_int_equal(strlen(page), size);
    assert_int_equal(bal_text_utf8_valid(page, size), size);
    check_structure(page);
}

static void says(const char *text) {
    if (!strstr(page, text)) fail_msg("the page does not say: %s", text);
}

static void never_says(const char *text) {
    const char *at = strstr(page, text);
    if (at) fail_msg("the page says: %.80s", at);
}

/** These texts follow one another. */
static void in_order(const char *const *texts) {
    const char *at = page;
    for (; *texts; texts++) {
        const char *found = strstr(at, *texts);
        if (!found) fail_msg("not there, or not in its place: %s", *texts);
        at = found + strlen(*texts);
    }
}

/* ---- a whole run ---- */

static void sections_come_in_the_readers_order(void **state) {
    make_page();
    in_order((const char *[]){"<h1>",
                              "class=\"verdict warn\"",
                              "Recovered",
                              "at epoch 2 (one_class, swing)",
                              "1 rollback; remedy: learning rate × 0.5",
                              ">Results<",
                              ">Accuracy<",
                              ">0.7500<",
                              ">0.3125<",
                              ">0.6250<",
                              ">0.3750<",
                              ">Guard<",
                              "one_class",
                              "learning rate × 0.5",
                              "accepted",
                              "swing",
                              "Pictures",
                              "Evaluations",
                              "Worst classes",
                              "Random inputs",
                              "Recipe",
                              "Machine",
                              "16.0 GiB",
                              "</html>",
                              NULL});
    says("123\u202f456");
    says("1 min 15 s");
    says("roc_auc (one class only)");
    never_says("class=\"problems\"");
}

static void nothing_breaks_out(void **state) {
    make_page();
    never_says("<script");
    never_says("<b>mine");
    never_says("http:");
    never_says("https:");
    says("<h1>" EVIL_SHOWN "</h1>");
    says("all is " EVIL_SHOWN);
    says("&lt;b&gt;mine&lt;/b&gt;");
    says("ballast train &#39;a &amp; b.yaml&#39;");
    says("of " EVIL_SHOWN);
    says("It is " EVIL_SHOWN);
}

/** Bytes of the n-th picture of the page. */
static size_t picture(size_t n, unsigned char *bytes, size_t room) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = page;
    size_t size = 0, bits = 0;
    uint32_t held = 0;
    for (size_t i = 0; i <= n; i++) {
        at = strstr(at, "src=\"data:image/png;base64,");
        if (!at) return 0;
        at += strlen("src=\"data:image/png;base64,");
    }
    for (; *at != '"' && *at != '='; at++) {
        held = held << 6 | (uint32_t)(strchr(digits, *at) - digits);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        assert_true(size < room);
        bytes[size++] = (unsigned char)(held >> bits & 255);
    }
    return size;
}

static void pictures_are_those_of_the_folder(void **state) {
    unsigned char bytes[64];
    make_page();
    for (size_t i = 0; i < 3; i++) { /* loss, recall, then what we do not know */
        assert_int_equal(picture(i, bytes, sizeof bytes), sizeof png - i);
        assert_memory_equal(bytes, png, sizeof png - i);
    }
    assert_int_equal(picture(3, bytes, sizeof bytes), 0);
    in_order((const char *[]){"width=\"120\" height=\"80\"", "<strong>Loss</strong>",
                              "<strong>Recall per class</strong>", "<strong>extra.png</strong>",
                              NULL});
}

static void evaluations_show_what_was_undone(void **state) {
    make_page();
    in_order((const char *[]){">attempt<", "<tr><td class=\"number\">1</td>",
                              "<tr class=\"undone\"><td class=\"number\">2</td>", "not eligible",
                              "<tr class=\"cut\">",
                              "rolled back because of one_class; then: learning rate × 0.5",
                              "<tr class=\"best\"><td class=\"number\">2</td>", "best", NULL});
    says("<td class=\"number\">∞</td>");
    says("a gap between the two is no overfitting by itself");
    never_says(">stage<");
}

static void heads_get_columns(void **state) {
    drop("summary.json");
    put("metrics.jsonl",
        "{\"epoch\": 1, \"val\": {\"kind\": {\"accuracy\": 0.5}, \"size\": {\"rmse\": 2.5,"
        " \"mae\": 1.5}, \"side\": {\"accuracy\": 0.5, \"balanced_accuracy\": 0.4375,"
        " \"recall[low <1>]\": 0.875, \"recall[high]\": 0.0}}, \"monitor\": 0.0625,"
        " \"eligible\": true}\n"
        "{\"epoch\": 2, \"val\": {\"kind\": {\"accuracy\": 0.5}, \"size\": {\"rmse\": 1.75,"
        " \"mae\": 1.25}, \"side\": {\"accuracy\": 0.5}}, \"monitor\": 2, \"eligible\": true}\n");
    make_page();
    in_order((const char *[]){"<h3>kind</h3>", ">Accuracy<", "<h3>size</h3>", ">MAE<", "1.2500",
                              ">RMSE<", "1.7500", ">monitor<", "colspan=\"5\">kind<",
                              "colspan=\"4\">size<", "colspan=\"5\">side<", ">balanced<",
                              ">recall low &lt;1&gt;<", ">recall high<", ">0.0625<", ">0.4375<",
                              ">0.8750<", ">0.0000<", NULL});
    never_says(">attempt<");
    never_says(">of run<");
}

/* The first watches an error, the second a score: their values do not compare. */
#define STAGED_RECIPE                                                                              \
    "name: x\ndata: {kind: simulated, simulator: {name: hand_landmarks}}\n"                        \
    "model: {kind: mlp, hidden: [4]}\nheads: [{name: label, kind: classes}]\n"                     \
    "optimizer: {kind: adam, lr: 0.001}\nstages:\n"                                                \
    "  - {name: warm, train: {epochs: 40}, monitor: val.label.log_loss, stop: {patience: 9}}\n"    \
    "  - {name: whole, train: {epochs: 2}, monitor: val.label.accuracy}\n"                         \
    "  - {name: last, init_from: warm, train: {epochs: 7}, monitor: val.label.accuracy}\n"

#define STAGED_ROW(epoch, stage, of_stage, attempt, monitor)                                       \
    "{\"epoch\": " epoch ", \"step\": 10, \"attempt\": " attempt ", \"stage\": \"" stage           \
    "\", \"stage_epoch\": " of_stage                                                               \
    ", \"val\": {\"label\": {\"accuracy\": 0.5}}, \"monitor\": " monitor ", \"eligible\": true}\n"

#define STAGED_INCIDENT(stage, message)                                                            \
    "{\"detector\": \"swing\", \"head\": \"\", \"class\": \"\", \"epoch\": 3, \"stage\": \"" stage \
    "\", \"step\": 1, \"evaluation\": 1, \"action\": \"warn\", \"message\": \"" message            \
    "\", \"evidence\": {}}\n"

static void put_staged(void) {
    bal_text rows = {0};
    for (int i = 1; i <= 16; i++)
        bal_text_printf(&rows,
                        "{\"epoch\": %d, \"stage\": \"warm\", \"stage_epoch\": %d, \"attempt\": 0,"
                        " \"val\": {\"label\": {\"accuracy\": 0.5}}, \"monitor\": %d,"
                        " \"eligible\": true}\n",
                        i, i, i == 7 ? 3 : 90);
    bal_text_puts(&rows, STAGED_ROW("17", "whole", "1", "1", "0.25"));
    bal_text_puts(&rows, STAGED_ROW("18", "whole", "2", "1", "0.5"));
    bal_text_puts(&rows, STAGED_ROW("19", "last", "1", "1", "0.125"));
    put("metrics.jsonl", rows.data);
    bal_text_release(&rows);
    put("recipe.resolved.yaml", STAGED_RECIPE);
    put("incidents.jsonl", STAGED_INCIDENT("whole", "of <whole>") STAGED_INCIDENT("last", "a")
                               STAGED_INCIDENT("last", "b") STAGED_INCIDENT("last", "c")
                                   STAGED_INCIDENT("last", "d") STAGED_INCIDENT("last", "e")
                                       STAGED_INCIDENT("last", "f") STAGED_INCIDENT("last", "g"));
}

static void each_stage_has_its_table(void **state) {
    put_staged();
    put("summary.json",
        "{\"name\": \"r\", \"status\": \"stopped\", \"epochs\": 19, \"best_epoch\": 19,"
        " \"monitor\": {\"name\": \"val.label.accuracy\", \"value\": 0.125}, \"stages\":"
        " [{\"name\": \"warm\", \"from\": {\"file\": \"a&b.safetensors\"}, \"epochs\": 16,"
        " \"best_epoch\": 7, \"monitor\": {\"name\": \"val.label.log_loss\", \"value\": 3.0},"
        " \"end\": \"patience\"},"
        " {\"name\": \"whole\", \"from\": {\"stage\": \"warm\"}, \"epochs\": 2, \"best_epoch\": 2,"
        " \"monitor\": {\"name\": \"val.label.accuracy\", \"value\": 0.5}, \"end\": \"epochs\"},"
        " {\"name\": \"last\", \"from\": null, \"epochs\": 1, \"best_epoch\": 1, \"monitor\":"
        " {\"name\": \"val.label.accuracy\", \"value\": 0.125}, \"end\": \"stopped\"}]}");
    make_page();
    in_order((const char *[]){
        ">Stages</h2>",
        "<h3>warm</h3>",
        "It started from a&amp;b.safetensors.",
        "It ended early, after 9 evaluations without an improvement.",
        ">16<",
        "of 40 planned",
        ">7<",
        "epoch 7 of the run",
        "val.label.log_loss",
        ">3.0000<",
        "the guard saw nothing",
        "<details>",
        "All 16 evaluations",
        ">of run<",
        "<tr class=\"best\"><td class=\"number\">7</td><td class=\"number\">7</td>",
        ">best<",
        "</details>",
        "<h3>whole</h3>",
        "It started from the best weights of stage ‘warm’.",
        "It ended when its epochs were done.",
        "of 2 planned",
        "epoch 18 of the run",
        "val.label.accuracy",
        ">0.5000<",
        "of &lt;whole&gt;",
        "rolled back",
        "<tr class=\"best\"><td class=\"number\">2</td><td class=\"number\">18</td>",
        "<h3>last</h3>",
        "It started from new weights.",
        "The guard stopped the run in it",
        ">7<",
        "And 1 more incident.",
        "<tr class=\"best\"><td class=\"number\">1</td><td class=\"number\">19</td>",
        "best</span> the model",
        NULL});
    says("a gap between the two is no overfitting by itself");
    never_says(">Evaluations<");
    never_says("All 2 evaluations");
}

/* Before the end, the recipe and the rows say it. */
static void stages_of_a_run_that_has_not_ended(void **state) {
    put_staged();
    drop("summary.json");
    drop("health.json");
    make_page();
    says("after 19 of 49 epochs");
    says("Best val.label.accuracy: 0.1250, at epoch 19.");
    in_order((const char *[]){"<h3>warm</h3>", "new weights", "It ended early, after 9", ">16<",
                              ">7<", ">3.0000<", "<h3>whole</h3>", "of stage ‘warm’",
                              "its epochs were done", "<h3>last</h3>", "of stage ‘warm’",
                              "It had not ended when this page was made.", "of 7 planned", NULL});
    drop("recipe.resolved.yaml");
    make_page();
    in_order((const char *[]){"<h3>warm</h3>", ">16<", "<h3>whole</h3>", "<h3>last</h3>", NULL});
}

static void many_evaluations_are_folded(void **state) {
    bal_text rows = {0};
    for (int i = 1; i <= 31; i++)
        bal_text_printf(&rows, "{\"epoch\": %d, \"val\": {\"label\": {\"accuracy\": 0.5}}}\n", i);
    put("metrics.jsonl", rows.data);
    bal_text_release(&rows);
    make_page();
    in_order((const char *[]){"<details>", "All 31 evaluations", "<table class=\"log\">", NULL});
}

static void worst_classes_come_first(void **state) {
    make_page();
    /* F1: evil 2·1/(3+1), blue 2·2/(2+5), red 2·2/(3+2). */
    in_order(
        (const char *[]){"1 without test rows are left out",
                         ("<th scope=\"row\">" EVIL_SHOWN "</th><td class=\"number\">0.5000</td>"),
                         "blue (66.7\u00a0%)", "4\u202f321", "2.5",
                         "<th scope=\"row\">blue</th><td class=\"number\">0.5714</td>",
                         "<th scope=\"row\">red</th><td class=\"number\">0.8000</td>", NULL});
    never_says(">unseen<");
}

static void many_incidents_are_folded(void **state) {
    bal_text lines = {0};
    for (int i = 1; i <= 20; i++)
        bal_text_printf(&lines,
                        "{\"detector\": \"swing\", \"epoch\": %d, \"action\": \"warn\","
                        " \"message\": \"number %d\"}\n",
                        i, i);
    put("incidents.jsonl", lines.data);
    bal_text_release(&lines);
    make_page();
    in_order((const char *[]){"number 12", "<details>", "8 more incidents", "number 13",
                              "number 20", NULL});
}

/** Incidents of one moment are answered by one rollback; the same one again by the next. */
static void rollbacks_stand_after_their_incidents(void **state) {
#define ONE(class_name)                                                                            \
    "{\"detector\": \"class_lost\", \"head\": \"label\", \"class\": \"" class_name                 \
    "\", \"epoch\": 2, \"step\": 20, \"action\": \"recover\", \"message\": \"lost " class_name     \
    "\"}\n"
    put("incidents.jsonl", ONE("a") ONE("b") ONE("a") ONE("a"));
    put("health.json",
        "{\"verdict\": \"collapsed\", \"incidents\": 4, \"rollbacks\": 2, \"tried\": ["
        "{\"remedy\": \"first\", \"because\": \"class_lost\", \"epoch\": 2,"
        " \"result\": \"another incident followed\"},"
        "{\"remedy\": \"second\", \"because\": \"class_lost\", \"epoch\": 2,"
        " \"result\": \"another incident followed\"}]}");
    make_page();
    in_order((const char *[]){"Gave up", "4 incidents, 2 rollbacks", "lost a", "lost b",
                              "then: first", "another incident followed", "lost a", "then: second",
                              "lost a", "gave up", NULL});
}

/* ---- states of a run ---- */

static void verdicts(void **state) {
    static const struct {
        const char *verdict, *policy, *word, *says;
    } known[] = {
        {"healthy", "recover", "Healthy", "all 3 epochs, and the guard found nothing wrong"},
        {"warned", "warn", "Warned", "with 2 incidents"},
        {"recovered", "recover", "Recovered",
         "It ended before the last recovery had proved itself"},
        {"stopped", "stop", "Stopped", "as its recipe asks: to and fro"},
        {"collapsed", "recover", "Gave up", "nothing left to try"},
        {"healthy", "off", "Unwatched", "the guard was off"},
        {"of another kind", "warn", "Ended", "its verdict cannot be read"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char content[400], title[64];
        snprintf(content, sizeof content,
                 "{\"verdict\": \"%s\", \"policy\": \"%s\", \"incidents\": 2, \"rollbacks\": 1,"
                 " \"tried\": [{\"remedy\": \"r\", \"result\": \"the run ended on probation\"}]}",
                 known[i].verdict, known[i].policy);
        put("health.json", content);
        make_page();
        snprintf(title, sizeof title, ": %s · Ballast</title>", known[i].word);
        says(title);
        says(known[i].says);
    }
}

static void a_run_that_has_not_ended(void **state) {
    drop("summary.json");
    drop("health.json");
    drop("responsiveness.json");
    drop("predictions.npz");
    make_page();
    says("Not finished");
    says("Its last evaluation was after 2 of 3 epochs; the guard had seen 2 incidents until then");
    says("Best val.label.macro_f1: 0.7000, at epoch 2.");
    says("ballast resume");
    says("At epoch 2, the best evaluation so far.");
    says("which this one has not come to");
    never_says("class=\"problems\"");
    drop("metrics.jsonl");
    make_page();
    says("It had not come to its first evaluation");
    never_says("class=\"problems\"");
}

static void no_better_than_the_prior(void **state) {
    put("health.json", "{\"verdict\": \"healthy\", \"policy\": \"recover\"}");
    put("summary.json",
        "{\"status\": \"ok\", \"epochs\": 3, \"test\": {\"label\": {\"accuracy\": 0.9,"
        " \"balanced_accuracy\": 0.25, \"prior\": {\"balanced_accuracy\": 0.25}}},"
        " \"val\": {\"label\": {\"accuracy\": 0.9}}, \"model\": null}");
    make_page();
    says("class=\"verdict bad\"");
    says("No skill");
    says("‘label’ is no better than the prior predictor");
    says("No model is handed over.");
}

static void a_head_of_values(void **state) {
    put("summary.json",
        "{\"name\": \"v\", \"status\": \"ok\", \"epochs\": 3, \"val\": {\"y\": {\"mae\":"
        " 1.5, \"rmse\": 2.0, \"r2\": 0.75, \"prior\": {\"mae\": 3.0, \"rmse\": 4.0,"
        " \"r2\": 0.0}}}, \"test\": {}, \"model\": \"model.safetensors\"}");
    make_page();
    in_order((const char *[]){"Validation RMSE", "prior 4.0000", ">MAE<", "1.5000", "3.0000",
                              ">R²<", "always answers with it", NULL});
    never_says("Worst classes");
    never_says("No skill");
}

/* What the summary does not say, because there is none yet, the recipe does. */
static void a_head_of_logarithms(void **state) {
    drop("summary.json");
    put("recipe.resolved.yaml",
        "name: x\ndata: {kind: csv, path: x.csv}\nmodel: {kind: mlp, hidden: [4]}\n"
        "heads:\n  - {name: y, kind: value, target: v, transform: log}\n"
        "  - {name: z, kind: value, target: w}\n"
        "optimizer: {kind: adam, lr: 0.001}\ntrain: {epochs: 3}\n");
    put("metrics.jsonl", "{\"epoch\": 1, \"val\": {\"y\": {\"mae\": 0.5}, \"z\": {\"mae\": 0.5}},"
                         " \"monitor\": 1, \"eligible\": true}\n");
    put_picture("plots/y-metrics.png", sizeof png);
    make_page();
    in_order((const char *[]){">MAE (log)<", ">RMSE (log)<", "of natural logarithms", ">MAE<",
                              "The figures are of logarithms.", ">y</th>", ">MAE (log)<",
                              ">RMSE (log)<", ">MAE<", NULL});
}

/* ---- damage ---- */

static void an_empty_folder_gets_a_page(void **state) {
    char *other = folder;
    folder = scratch_new();
    make_page();
    says("Not finished");
    says("recipe.yaml is not in the folder");
    says("There are no pictures");
    says("There is no record of the machine");
    scratch_free(folder);
    folder = other;
}

static void there_must_be_a_folder(void **state) {
    char *path = path_of("nowhere");
    assert_int_equal(bal_report_page_write(path, &err), BAL_ENOTFOUND);
    assert_non_null(strstr(err.message, "nowhere to report on"));
    bal_free(path);
}

static void every_file_may_be_missing(void **state) {
    for (size_t i = 0; i < FILES; i++) {
        drop(files[i].name);
        make_page();
        put(files[i].name, files[i].content);
    }
    drop("health.json");
    make_page();
    says("health.json is not in the folder");
    says("Recovered"); /* the summary knows of a rollback */
}

static void every_file_may_be_damaged(void **state) {
    static const char *const damage[] = {"{\"half\": ",
                                         "[]",
                                         "3",
                                         "\xff\xfe\x00",
                                         "{\"val\": 3, \"heads\": [], \"label\": \"x\"}",
                                         "{\"a\": \"\\u0000\"}",
                                         "",
                                         "{\"val\": {\"label\": 7}, \"tried\": 1}",
                                         "{\"hypotheses\": [1, {}], \"label\": {\"red\": 1}}"};
    for (size_t i = 0; i < FILES; i++) {
        for (size_t k = 0; k < sizeof damage / sizeof *damage; k++) {
            put(files[i].name, damage[k]);
            make_page();
            if (k > 0 || strstr(files[i].name, "recipe.yaml") || strstr(files[i].name, ".txt"))
                continue;
            says("class=\"problems\"");
            says(files[i].name);
        }
        put(files[i].name, files[i].content);
    }
    put("predictions.npz", "no archive");
    put("plots/label-loss.png", "no picture");
    make_page();
    says("predictions.npz could not be used");
    says("plots/label-loss.png is not a PNG picture");
}

static void damaged_lines_are_left_out(void **state) {
    char *path = path_of("metrics.jsonl");
    assert_int_equal(bal_file_append(path, "{\"epoch\": 9, \"va\n[1]\n", 20, NULL), BAL_OK);
    bal_free(path);
    make_page();
    says("metrics.jsonl: 2 lines left out as damaged, first line 4");
    says("<tr class=\"best\"><td class=\"number\">2</td>");
    put("incidents.jsonl", "{\"detector\": \"one_class\"\n");
    make_page();
    says("incidents.jsonl: 1 line left out");
    says("then: learning rate × 0.5"); /* health.json knows it still */
}

/* ---- the file ---- */

static void the_same_files_give_the_same_page(void **state) {
    make_page();
    char *first = page;
    page = NULL;
    make_page();
    assert_string_equal(first, page);
    bal_free(first);
}

static void failing_memory(void **state) {
    make_page();
    uint64_t before = bal_memory_allocations();
    make_page();
    int64_t n = (int64_t)(bal_memory_allocations() - before), failed = 0;
    for (int64_t i = 0; i < n; i++) {
        err = (bal_error){0};
        bal_memory_fail_after(i);
        bal_status status = bal_report_page_write(folder, &err);
        bal_memory_fail_after(-1);
        if (status != BAL_OK && status != BAL_ENOMEM)
            fail_msg("allocation %d: %s", (int)i, err.message);
        assert_int_equal(err.status, status);
        failed += status == BAL_ENOMEM;
    }
    assert_true(failed > 0.9 * (double)n);
}

static void failing_storage(void **state) {
    make_page();
    char *before = bal_strdup(page), *path = path_of("report.html");
    size_t size;
    put("summary.json", "{}");
    for (int64_t i = 0; i < 3; i++) { /* write, sync, rename */
        char *after = NULL;
        bal_file_fail_after(i);
        assert_int_equal(bal_report_page_write(folder, &err), BAL_EIO);
        bal_file_fail_after(-1);
        assert_int_equal(bal_file_read(path, 64 << 20, &after, &size, NULL), BAL_OK);
        assert_string_equal(before, after);
        bal_free(after);
    }
    bal_free(before);
    bal_free(path);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(sections_come_in_the_readers_order),
        CASE(nothing_breaks_out),
        CASE(pictures_are_those_of_the_folder),
        CASE(evaluations_show_what_was_undone),
        CASE(heads_get_columns),
        CASE(each_stage_has_its_table),
        CASE(stages_of_a_run_that_has_not_ended),
        CASE(many_evaluations_are_folded),
        CASE(worst_classes_come_first),
        CASE(many_incidents_are_folded),
        CASE(rollbacks_stand_after_their_incidents),
        CASE(verdicts),
        CASE(a_run_that_has_not_ended),
        CASE(no_better_than_the_prior),
        CASE(a_head_of_values),
        CASE(a_head_of_logarithms),
        CASE(an_empty_folder_gets_a_page),
        CASE(there_must_be_a_folder),
        CASE(every_file_may_be_missing),
        CASE(every_file_may_be_damaged),
        CASE(damaged_lines_are_left_out),
        CASE(the_same_files_give_the_same_page),
        CASE(failing_memory),
        CASE(failing_storage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
