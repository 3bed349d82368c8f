/* ballast list: the names a recipe may use, each with a line about it. What has a table elsewhere
 * is read from that table; what has none says so in a table here. */
#include <string.h>

#include "command.h"
#include "data/class_weights.h"
#include "data/series_simulator.h"
#include "data/simulator.h"
#include "graph/op.h"
#include "guard/guard.h"
#include "loss/loss.h"
#include "metric/metric.h"
#include "nn/model.h"
#include "ops/op_table.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "recipe/schema.h"
#include "style.h"

enum { LINES_MAX = 256, GAP = 2 };

typedef struct line {
    const char *name, *summary;
} line;

typedef struct listing {
    line lines[LINES_MAX];
    int count;
} listing;

static void add(listing *list, const char *name, const char *summary) {
    if (list->count < LINES_MAX) list->lines[list->count++] = (line){name, summary};
}

/** One line per name; on a terminal long summaries go on below themselves. */
static void print_listing(const listing *list) {
    bool screen = bal_is_screen(stdout);
    int width = 0;
    for (int i = 0; i < list->count; i++) {
        int columns = bal_text_columns(list->lines[i].name) + GAP;
        if (columns > width) width = columns;
    }
    for (int i = 0; i < list->count; i++) {
        bal_print_padded(stdout, list->lines[i].name, width);
        if (screen)
            bal_print_wrapped(stdout, list->lines[i].summary, width, width);
        else
            printf("%s\n", list->lines[i].summary);
    }
}

/* ---- names with a table ---- */

#define LIST_TABLE(function, table)                                                                \
    static void function(listing *list) {                                                          \
        for (int i = 0; (table)[i]; i++)                                                           \
            add(list, (table)[i]->name, (table)[i]->summary);                                      \
    }

LIST_TABLE(list_class_weights, bal_class_weighting_table)
LIST_TABLE(list_detectors, bal_detector_table)
LIST_TABLE(list_losses, bal_loss_table)
LIST_TABLE(list_metrics, bal_metric_table)
LIST_TABLE(list_models, bal_model_table)
LIST_TABLE(list_ops, bal_op_table)
LIST_TABLE(list_optimizers, bal_optimizer_table)
LIST_TABLE(list_schedules, bal_schedule_table)
LIST_TABLE(list_table_simulators, bal_simulator_table)
LIST_TABLE(list_series_simulators, bal_series_simulator_table)
LIST_TABLE(list_commands, bal_command_table)

static void list_simulators(listing *list) {
    list_table_simulators(list);
    list_series_simulators(list);
}

/** Keys of a section of the recipe, with their sentences. */
static void list_section(listing *list, const char *section) {
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next(section, key)))
        add(list, bal_schema_name(key), key->help);
}

static void list_remedies(listing *list) {
    list_section(list, "guard.remedies[]");
}

/* ---- names without ---- */

typedef struct summary {
    const char *name, *text;
} summary;

static const summary summaries[] = {
    {"none", "Nothing: the output of the layer as it is"},
    {"relu", "max(0, x)"},
    {"leaky_relu", "x above 0, slope · x below"},
    {"gelu", "x·Φ(x), exact (Hendrycks & Gimpel 2016)"},
    {"sigmoid", "1 / (1 + e^−x)"},
    {"tanh", "Hyperbolic tangent"},
    {"classes", "One of several classes: a logit each, softmax"},
    {"binary", "One of two classes: one logit, sigmoid; the second class is the positive one"},
    {"value", "A real number"},
    {"kaiming_uniform", "Uniform, variance gain²/fan_in: for relu and its kin (He et al. 2015)"},
    {"kaiming_normal", "Normal, variance gain²/fan_in (He et al. 2015)"},
    {"xavier_uniform", "Uniform, variance 2·gain²/(fan_in + fan_out) (Glorot & Bengio 2010)"},
    {"xavier_normal", "Normal, variance 2·gain²/(fan_in + fan_out) (Glorot & Bengio 2010)"},
    {"stratified", "Every class shared out by the fractions"},
    {"random", "Rows drawn at random"},
    {"sequential", "In the order of the file"},
    {"group", "Rows with the same value of a column stay together"},
    {"time", "By the values of a column; equal times stay together"},
    {"off", "Nobody watches; the best checkpoint must still be eligible"},
    {"warn", "Incidents are written down, training goes on"},
    {"stop", "The first incident ends the run with the best eligible checkpoint, exit code 4"},
    {"recover", "Back to the last healthy state, with the next remedy"},
};

static void list_names(listing *list, bal_schema_name_fn *names) {
    const char *name;
    for (int i = 0; (name = names(i)); i++) {
        const char *text = "";
        for (size_t s = 0; s < sizeof summaries / sizeof *summaries; s++)
            if (strcmp(summaries[s].name, name) == 0) text = summaries[s].text;
        add(list, name, text);
    }
}

static void list_activations(listing *list) {
    list_names(list, bal_schema_activations);
}
static void list_heads(listing *list) {
    list_names(list, bal_schema_head_kinds);
}
static void list_initialisers(listing *list) {
    list_names(list, bal_schema_inits);
}
static void list_policies(listing *list) {
    list_names(list, bal_schema_policies);
}
static void list_splits(listing *list) {
    list_names(list, bal_schema_find("data.split.kind")->names);
}

/* ---- the command ---- */

static void list_kinds(listing *list);

static const struct list_kind {
    const char *name, *summary;
    void (*fill)(listing *list);
} kinds[] = {
    {"activations", "model.activation", list_activations},
    {"class-weights", "heads[].class_weights.kind", list_class_weights},
    {"commands", "of this program", list_commands},
    {"detectors", "guard.detectors: what the guard looks for", list_detectors},
    {"heads", "heads[].kind: what an output means", list_heads},
    {"initialisers", "model.init", list_initialisers},
    {"kinds", "this list", list_kinds},
    {"losses", "heads[].loss.kind", list_losses},
    {"metrics", "monitor: val.HEAD.METRIC, and rules of the guard", list_metrics},
    {"models", "model.kind", list_models},
    {"ops", "what graphs are made of", list_ops},
    {"optimizers", "optimizer.kind", list_optimizers},
    {"policies", "guard.policy: what is done about an incident", list_policies},
    {"remedies", "guard.remedies: what is tried after a rollback", list_remedies},
    {"schedules", "schedule.kind: learning rate over time", list_schedules},
    {"simulators", "data.simulator.name: data with known answers", list_simulators},
    {"splits", "data.split.kind", list_splits},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void list_kinds(listing *list) {
    for (int i = 0; i < KINDS; i++)
        add(list, kinds[i].name, kinds[i].summary);
}

static int run(int argc, char **argv) {
    const char *names[KINDS + 1] = {0};
    listing list = {.count = 0};
    int n = bal_parse_options(&bal_command_list, argc, argv, NULL, 0);
    if (n < 0) return EXIT_USAGE;
    if (n > 2) return bal_report_usage(&bal_command_list, "one kind at a time");
    const char *wanted = n == 2 ? argv[1] : "kinds";
    for (int i = 0; i < KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(kinds[i].name, wanted) != 0) continue;
        kinds[i].fill(&list);
        print_listing(&list);
        return EXIT_DONE;
    }
    return bal_report_unknown(&bal_command_list, "kind", wanted, names);
}

const bal_command bal_command_list = {
    .name = "list",
    .arguments = "[KIND]",
    .summary = "The names a recipe may use: models, losses, metrics and so on",
    .help = "Without KIND: the kinds there are.\n",
    .run = run,
};
