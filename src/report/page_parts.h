/* What the parts of the page share: the material of a run, and the functions that write the
 * sections. Private to src/report/page*.c.
 *
 * Sections cannot fail but for lack of memory, which sticks to the page (bal_page_has_failed). What
 * they find missing or damaged they report with bal_page_problem; the problems are listed near the
 * top, which is written last. */
#ifndef BAL_REPORT_PAGE_PARTS_H
#define BAL_REPORT_PAGE_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "report/figures.h"
#include "report/html.h"

typedef struct bal_page_head {
    const char *name;
    bool has_classes;
    bool is_log; /* its figures are of logarithms */
} bal_page_head;

/** A stage as the recipe plans it. */
typedef struct bal_page_plan {
    const char *name, *monitor;
    const char *from_stage, *from_file; /* one of them or none: new weights */
    int64_t epochs, patience;
} bal_page_plan;

/** A stage that was begun. */
typedef struct bal_page_stage {
    const char *name, *monitor;
    const bal_page_plan *plan; /* NULL: the recipe cannot be read */
    const json_t *figures;     /* of summary.json; NULL: none yet */
    size_t first, end;         /* its rows; 0, 0: none */
    const json_t *best;        /* one of them; NULL: none was eligible */
} bal_page_stage;

typedef struct bal_page {
    const char *folder; /* as given */
    bal_arena arena;
    bool no_memory; /* an allocation failed */

    /* ---- the run's files; NULL when not there or not readable ---- */
    bool ended; /* there is a summary.json, readable or not */
    json_t *summary, *health, *response, *weights, *env;
    json_t *rows, *incidents; /* arrays, never NULL: lines that can be read */
    const char *recipe, *resolved, *command;

    /* ---- what follows from them ---- */
    const char *place;          /* last part of the folder's path */
    const char *name, *monitor; /* "" when unknown */
    int64_t epochs_planned;     /* of all stages; 0: unknown */
    bal_page_plan *plans;       /* of the recipe's stages */
    size_t n_plans;
    bal_page_stage *stages; /* in the order begun; none: the recipe has no stages */
    size_t n_stages;
    json_t *transforms;   /* of the recipe's heads, by name; NULL: unknown */
    bal_page_head *heads; /* in the order of the recipe */
    size_t n_heads;
    const json_t *best; /* the row of metrics.jsonl that the model is from; NULL: none */

    /* ---- output ---- */
    bal_text body;
    bal_html html; /* onto body */
    json_t *problems;
} bal_page;

/* ---- page_material.c ---- */

/** Read what the folder has. Release in any case.
 *  Errors  BAL_ENOMEM only. */
BAL_WARN_UNUSED bal_status bal_page_open(bal_page *page, const char *folder, bal_error *err);
void bal_page_release(bal_page *page);
bool bal_page_has_failed(const bal_page *page);

/** Read a file of the folder whole, to be freed with bal_free. *ret_data is NULL when it is not
 *  there; trouble other than memory is noted as a problem, with NULL too. */
BAL_WARN_UNUSED bal_status bal_page_read(bal_page *page, const char *name, size_t bytes_max,
                                         char **ret_data, size_t *ret_size, bal_error *err);
/** Something that the page should have but has not. */
void bal_page_problem(bal_page *page, const char *format, ...) BAL_PRINTF(2, 3);
/** Text in the page's arena, never NULL. */
const char *bal_page_printf(bal_page *page, const char *format, ...) BAL_PRINTF(2, 3);

/** Number at object[key]; NaN when there is none. */
double bal_page_number(const json_t *object, const char *key);
/** Text at object[key]; "" when there is none. */
const char *bal_page_text(const json_t *object, const char *key);

/* ---- page_stages.c ---- */

/** The stages of the rows and the summary; their best rows are left to be found. */
BAL_WARN_UNUSED bal_status bal_page_find_stages(bal_page *page, bal_error *err);

/* ---- page_verdict.c ---- */

/** How a run came out, in the word and the colour that stand at the top. */
typedef struct bal_page_verdict {
    const char *word;     /* "Healthy" */
    const char *tone;     /* class of the style sheet: good, warn, bad, plain */
    const char *mark;     /* one sign for those who do not see the colour */
    const char *sentence; /* plain words */
    const char *more;     /* what is left of it: best value, model */
} bal_page_verdict;

bal_page_verdict bal_page_judge(bal_page *page);
/** Whether the figures of a head are no better than the prior predictor's; then what to say of it,
 *  else NULL. */
const char *bal_page_no_better(bal_page *page, const bal_page_head *head);

/* ---- sections, each onto page->html ---- */

void bal_page_results(bal_page *page);
void bal_page_guard(bal_page *page);
void bal_page_pictures(bal_page *page);
void bal_page_stages(bal_page *page);
void bal_page_evaluations(bal_page *page);
void bal_page_classes(bal_page *page);
void bal_page_response(bal_page *page);
void bal_page_recipe(bal_page *page);
void bal_page_machine(bal_page *page);

/** What a table of evaluations shows, as a paragraph; `more` follows in it. */
void bal_page_explain_evaluations(bal_page *page, const char *more);
/** Rows [first, end) of the log as a table, folded when they are more than `open_max`. */
void bal_page_evaluation_table(bal_page *page, size_t first, size_t end, const json_t *best,
                               size_t open_max);

/** An element with a number in it: `td` of class "number". */
void bal_page_cell(bal_page *page, bal_figure figure);
/** A number with its name above: one of the facts at the top. */
void bal_page_fact(bal_page *page, const char *label, const char *value, const char *note);
/** Names and numbers of an object, side by side: {"top_share": 1.0, …}. */
void bal_page_pairs(bal_page *page, const json_t *object);
/** Name of the head as a heading, where there are several heads. */
void bal_page_head_title(bal_page *page, const bal_page_head *head);

/* ---- page_style.c ---- */

/** The style sheet in pieces, ended by NULL. */
extern const char *const bal_page_style[];

#endif
