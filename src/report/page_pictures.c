/* The pictures of plots/, embedded, each with a word on what to look for. They are named
 * HEAD-KIND.png or KIND.png; one of a kind not known here is shown with its name. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/page_parts.h"

enum { PICTURE_BYTES_MAX = 8 << 20, PICTURES_MAX = 64 };

typedef struct caption {
    const char *kind, *title, *look_for;
} caption;

/* In the order shown. */
static const caption captions[] = {
    {"loss", "Loss",
     "Look for two curves that fall and level off together. Validation that turns up while "
     "training goes on down is overfitting; a leap is a spike. Training loss counts class weights, "
     "focal alpha, label smoothing and dropout, validation loss none of them: it may lie above or "
     "below, and only how each moves says something."},
    {"metrics", "Validation metrics",
     "Look for a steady rise that levels off. Macro F1 or balanced accuracy well below accuracy: "
     "rare classes are being given up."},
    {"diversity", "Diversity of predictions",
     "Look for entropy that stays near that of the training labels (1). Entropy that falls towards "
     "0 while the most common share rises towards 1 is a collapse into few classes."},
    {"recall", "Recall per class",
     "Look at the left end: bars at 0 are classes that are never recognised."},
    {"confusion", "Confusion",
     "Look for a dark diagonal. A dark column is a class that swallows others; a dark spot beside "
     "the diagonal is a pair of classes that are taken for each other."},
};

enum { KINDS = sizeof captions / sizeof *captions };

typedef struct picture {
    const char *file; /* "label-loss.png" */
    size_t head;      /* index of its head; n_heads: none of ours */
    size_t kind;      /* index of its caption; KINDS: another */
} picture;

/* ---- finding them ---- */

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

/** Head names may hold dashes, so that kinds are looked for at the end. */
static picture classify(const bal_page *page, const char *file) {
    picture found = {.file = file, .head = page->n_heads, .kind = KINDS};
    size_t length = strlen(file) - strlen(".png");
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t own = strlen(captions[kind].kind);
        if (length < own || memcmp(file + length - own, captions[kind].kind, own) != 0) continue;
        if (length == own) found.kind = kind;
        for (size_t h = 0; h < page->n_heads; h++) {
            const char *head = page->heads[h].name;
            if (strlen(head) + 1 + own != length || memcmp(file, head, strlen(head)) != 0) continue;
            if (file[strlen(head)] != '-') continue;
            found.head = h;
            found.kind = kind;
        }
    }
    return found;
}

static int compare(const void *a, const void *b) {
    const picture *left = a, *right = b;
    if (left->head != right->head) return left->head < right->head ? -1 : 1;
    if (left->kind != right->kind) return left->kind < right->kind ? -1 : 1;
    return strcmp(left->file, right->file);
}

static size_t collect(bal_page *page, picture pictures[PICTURES_MAX]) {
    size_t n = 0;
    char *path = bal_path_join(page->folder, "plots");
    DIR *folder = path ? opendir(path) : NULL;
    if (!path) page->no_memory = true;
    if (path && !folder && errno != ENOENT)
        bal_page_problem(page, "plots could not be read: %s", strerror(errno));
    bal_free(path);
    if (!folder) return 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || !ends_with(entry->d_name, ".png")) continue;
        if (n == PICTURES_MAX) {
            bal_page_problem(page, "plots holds more pictures than the %d shown", PICTURES_MAX);
            break;
        }
        const char *file = bal_page_printf(page, "%s", entry->d_name);
        if (page->no_memory) break;
        pictures[n++] = classify(page, file);
    }
    closedir(folder);
    if (n > 1) qsort(pictures, n, sizeof *pictures, compare);
    return n;
}

/* ---- showing them ---- */

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/** Width and height from the header of a PNG file (PNG specification, 5.2 and 11.2.2). */
static bool measure(const char *data, size_t size, uint32_t *ret_width, uint32_t *ret_height) {
    const unsigned char *bytes = (const unsigned char *)data;
    if (size < 24 || memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) != 0) return false;
    if (memcmp(bytes + 12, "IHDR", 4) != 0) return false;
    *ret_width = big_endian(bytes + 16);
    *ret_height = big_endian(bytes + 20);
    return *ret_width > 0 && *ret_height > 0;
}

static void write_picture(bal_page *page, const picture *shown, const char *data, size_t size) {
    bal_html *html = &page->html;
    uint32_t width, height;
    if (!measure(data, size, &width, &height)) {
        bal_page_problem(page, "plots/%s is not a PNG picture", shown->file);
        return;
    }
    const caption *about = shown->kind < KINDS ? &captions[shown->kind] : NULL;
    const char *title = about ? about->title : shown->file;
    bal_html_open(html, "figure", NULL);
    bal_html_open(html, "img", NULL);
    bal_html_attribute(html, "alt", bal_page_printf(page, "Plot: %s", title));
    bal_html_attribute(html, "width", bal_page_printf(page, "%u", (unsigned)width));
    bal_html_attribute(html, "height", bal_page_printf(page, "%u", (unsigned)height));
    bal_html_data(html, "image/png", data, size);
    bal_html_close(html);
    bal_html_open(html, "figcaption", NULL);
    bal_html_element(html, "strong", NULL, title);
    if (about) bal_html_printf(html, " %s", about->look_for);
    if (shown->head < page->n_heads && page->heads[shown->head].is_log)
        bal_html_say(html, " The figures are of logarithms.");
    bal_html_close(html);
    bal_html_close(html);
}

static void show(bal_page *page, const picture *shown) {
    char *data = NULL;
    size_t size = 0;
    const char *name = bal_page_printf(page, "plots/%s", shown->file);
    if (bal_page_read(page, name, PICTURE_BYTES_MAX, &data, &size, NULL) != BAL_OK)
        page->no_memory = true;
    if (data) write_picture(page, shown, data, size);
    bal_free(data);
}

void bal_page_pictures(bal_page *page) {
    picture pictures[PICTURES_MAX];
    size_t n = collect(page, pictures);
    if (n == 0) {
        bal_html_element(&page->html, "p", "note", "There are no pictures in plots/.");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bool is_first = i == 0 || pictures[i].head != pictures[i - 1].head;
        if (is_first && i > 0) bal_html_close(&page->html);
        if (is_first && pictures[i].head < page->n_heads)
            bal_page_head_title(page, &page->heads[pictures[i].head]);
        if (is_first) bal_html_open(&page->html, "div", "pictures");
        show(page, &pictures[i]);
    }
    bal_html_close(&page->html);
}
