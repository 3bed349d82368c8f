/* recipe/: what is refused, with the whole beginning of the message: place, what was wanted, what
 * was found, what to do. Places are lines and columns of the text in the case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "recipe_text.h"

typedef struct refusal {
    const char *after_minimal; /* appended to MINIMAL, so it begins on line 3 */
    const char *message;       /* beginning, after "t.yaml:" */
} refusal;

static void refuse_all(const refusal *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bal_text text = {0}, message = {0};
        bal_text_printf(&text, "%s%s", MINIMAL, cases[i].after_minimal);
        bal_text_printf(&message, "t.yaml:%s", cases[i].message);
        refuse(text.data, message.data);
        bal_text_release(&text);
        bal_text_release(&message);
    }
}

#define REFUSE_ALL(cases) refuse_all(cases, sizeof(cases) / sizeof *(cases))

static void not_even_yaml(void **state) {
    refuse("name: [a\n", "t.yaml:");
    refuse("name: a\nname: b\n", "t.yaml:2:1: key 'name' again");
    refuse("name: a\n\tdata: b\n", "t.yaml:2:1: ");
    refuse("- a\n- b\n", "t.yaml:1:1: wanted a mapping (name: …, data: …), found a list");
    refuse("just text\n", "t.yaml:1:1: wanted a mapping");
    refuse("", "t.yaml:1:1: the recipe needs 'name'.");
    refuse("# nothing\n", "t.yaml:1:1: the recipe needs 'name'.");
}

static void unknown_keys(void **state) {
    static const refusal cases[] = {
        {"train: {epocs: 3}\n", "3:9: unknown key 'epocs' in train; did you mean 'epochs'?"},
        {"trian: {epochs: 3}\n", "3:1: unknown key 'trian' in the recipe; did you mean 'train'?"},
        {"optimizer:\n  # a comment\n  betta1: 0.9\n",
         "5:3: unknown key 'betta1' in optimizer; did you mean 'beta1'?"},
        {"heads:\n  - name: a\n  - {name: b, los: focal}\n",
         "5:15: unknown key 'los' in heads[1]; did you mean 'loss'?"},
        {"lr: 0.1\n", "3:1: unknown key 'lr' in the recipe; did you mean 'optimizer.lr'?"},
        {"stop: {zzzzzzzz: 1}\n",
         "3:8: unknown key 'zzzzzzzz' in stop; known are patience and min_delta"},
        {"\"tra\\x69m\": 1\n", "3:1: unknown key 'traim' in the recipe; did you mean 'train'?"},
    };
    REFUSE_ALL(cases);
    /* Columns count characters. */
    refuse("name: a\ndata: {target: \"öü\", pat: b}\n",
           "t.yaml:2:22: unknown key 'pat' in data; did you mean 'path'?");
}

static void missing_keys(void **state) {
    static const refusal cases[] = {
        {"schedule: step\n", "3:1: schedule needs 'at' with kind: step. {epoch: factor}"},
        {"optimizer:\n  groups:\n    - {lr: 1}\n", "5:7: optimizer.groups[0] needs 'match'."},
        {"heads: [{class_weights: {kind: explicit}}]\n",
         "3:10: heads[0].class_weights needs 'values' with kind: explicit."},
        {"schedule: {kind: plateau, monitor: val.label.unique_predictions}\n",
         "3:1: schedule needs 'mode' with kind: plateau."},
    };
    REFUSE_ALL(cases);
    refuse("name: a\n", "t.yaml:1:1: the recipe needs 'data'.");
    refuse("data: {kind: csv}\n", "t.yaml:1:1: the recipe needs 'name'. Name of the recipe");
    refuse("name: a\ndata: {}\n", "t.yaml:2:1: data needs 'kind'. Form of the data.");
    refuse("name: a\ndata:\n  kind: csv\n", "t.yaml:2:1: data needs 'path' with kind: csv.");
    refuse("name: a\ndata: {kind: simulated}\n",
           "t.yaml:2:1: data needs 'simulator' with kind: simulated.");
    refuse("name: a\ndata: {kind: simulated, simulator: {samples: 3}}\n",
           "t.yaml:2:25: data.simulator needs 'name'.");
    refuse("name: a\ndata: {kind: csv, path: a, target: y, split: group}\n",
           "t.yaml:2:39: data.split needs 'group' with kind: group.");
    refuse("name: a\ndata: {kind: csv, path: a}\n", "t.yaml:2:7: head 'label' has no target; give");
}

static void wrong_types(void **state) {
    static const refusal cases[] = {
        {"seed: one\n", "3:7: seed: wanted an integer, found text, 'one'"},
        {"seed: 1.0\n", "3:7: seed: wanted an integer, found a number, '1.0'"},
        {"seed: '1'\n", "3:7: seed: wanted an integer, found text, '1'"},
        {"seed: [1]\n", "3:7: seed: wanted an integer, found a list"},
        {"seed: {a: 1}\n", "3:7: seed: wanted an integer, found a mapping"},
        {"seed:\n", "3:1: seed: wanted an integer, found null"},
        {"seed: 99999999999999999999\n", "3:7: seed: wanted an integer, found a number, "},
        {"train: {epochs: true}\n", "3:17: train.epochs: wanted an integer, found true or false"},
        {"optimizer: {lr: fast}\n", "3:17: optimizer.lr: wanted a number, found text, 'fast'"},
        {"optimizer: {lr: .nan}\n", "3:17: optimizer.lr: wanted a finite number, found a number, "},
        {"optimizer: {lr: .inf}\n", "3:17: optimizer.lr: wanted a finite number"},
        {"optimizer: {lr: null}\n", "3:17: optimizer.lr: wanted a number, found null"},
        {"report: {plots: yes}\n", "3:17: report.plots: wanted true or false, found text, 'yes'"},
        {"train: 3\n", "3:8: train: wanted a mapping, found an integer, '3'"},
        {"train:\n", "3:1: train: wanted a mapping, found null"},
        {"schedule: [cosine]\n",
         "3:11: schedule: wanted a mapping, or the name alone, found a list"},
        {"heads: {name: a}\n", "3:8: heads: wanted a list, found a mapping"},
        {"heads: [label]\n", "3:9: heads[0]: wanted a mapping, found text, 'label'"},
        {"model: {hidden: [8, x]}\n", "3:21: model.hidden[1]: wanted an integer, found text, 'x'"},
        {"model: {hidden: {a: 8}}\n",
         "3:17: model.hidden: wanted an integer or a list of integers, found a mapping"},
        {"model: {dropout: [[0.1]]}\n", "3:19: model.dropout[0]: wanted a number, found a list"},
        {"model: {freeze: [[a]]}\n", "3:18: model.freeze[0]: wanted text, found a list"},
        {"model: {freeze: {a: b}}\n",
         "3:17: model.freeze: wanted text or a list of texts, found a mapping"},
        {"model: {kind: [mlp]}\n",
         "3:15: model.kind: wanted one of mlp and residual, found a list"},
        {"monitor: {a: b}\n", "3:10: monitor: wanted text, found a mapping"},
        {"model: {init_from: [a]}\n", "3:20: model.init_from: wanted a path, found a list"},
        {"schedule: {kind: step, at: [1]}\n", "3:28: schedule.at: wanted a mapping from epoch to"},
        {"schedule: {kind: step, at: {}}\n", "3:28: schedule.at: wanted a mapping from epoch to"},
        {"schedule: {kind: step, at: {soon: 1}}\n", "3:29: schedule.at: 'soon' is no epoch"},
        {"schedule: {kind: step, at: {-1: 1}}\n", "3:29: schedule.at: '-1' is no epoch"},
        {"schedule: {kind: step, at: {1: x}}\n", "3:32: schedule.at: wanted a number"},
        {"schedule: {kind: step, at: {1: 1, 01: 1}}\n", "3:35: schedule.at: epoch 1 comes twice"},
        {"heads: [{class_weights: {kind: explicit, values: 3}}]\n",
         "3:50: heads[0].class_weights.values: wanted {class: weight} or a list of weights by "
         "class "
         "id, found an integer, '3'"},
        {"heads: [{class_weights: {kind: explicit, values: {A: x}}}]\n",
         "3:54: heads[0].class_weights.values: wanted a number"},
        {"stages: 1\n", "3:9: stages: wanted a list of stages, found an integer, '1'"},
    };
    REFUSE_ALL(cases);
}

static void out_of_range(void **state) {
    static const refusal cases[] = {
        {"seed: -1\n", "3:7: seed is -1; wanted at least 0"},
        {"train: {epochs: 0}\n", "3:17: train.epochs is 0; wanted at least 1 and at most "},
        {"optimizer: {lr: 0.0}\n",
         "3:17: optimizer.lr is 0.0; wanted more than 0 and at most 1000"},
        {"optimizer: {beta1: 1}\n",
         "3:20: optimizer.beta1 is 1; wanted at least 0 and less than 1"},
        {"model: {hidden: [8, 0]}\n", "3:21: model.hidden[1] is 0; wanted at least 1 and at most "},
        {"model: {dropout: 1}\n", "3:18: model.dropout is 1; wanted at least 0 and less than 1"},
        {"schedule: {kind: step, at: {3: 0}}\n", "3:32: schedule.at is 0; wanted more than 0"},
        {"guard: {remedies: [{lr: 2}]}\n",
         "3:25: guard.remedies[].lr is 2; wanted more than 0 and less than 1"},
        {"guard: {remedies: [{class_weight_multiplier: 1.5}]}\n",
         "3:46: guard.remedies[].class_weight_multiplier is 1.5; wanted at least 0 and at most 1"},
        {"guard: {remedies: [{reshuffle: 2}]}\n",
         "3:32: guard.remedies[].reshuffle is 2; wanted 1"},
        {"heads: []\n", "3:8: heads: wanted at least 1, found 0"},
        {"heads: [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}]\n",
         "3:8: heads: at most 15 are possible, found 16"},
        {"heads: [{class_weights: {kind: explicit, values: {A: 0}}}]\n",
         "3:54: heads[0].class_weights.values is 0; wanted more than 0"},
        {"guard: {detectors: {one_class: {floor: 1.5}}}\n",
         "3:40: guard.detectors.one_class.floor is 1.5; wanted at least 0 and at most 1"},
        {"guard: {detectors: {one_class: {for: 1.5}}}\n",
         "3:38: guard.detectors.one_class.for: wanted an integer, found a number, '1.5'"},
    };
    REFUSE_ALL(cases);
}

static void unknown_names(void **state) {
    static const refusal cases[] = {
        {"model: {kind: mpl}\n",
         "3:15: model.kind: there is no 'mpl'; did you mean 'mlp'? Known: mlp and residual"},
        {"model: unet\n",
         "3:8: model.kind: 'unet' is not available in this version; available: mlp and residual"},
        {"optimizer: adm\n", "3:12: optimizer.kind: there is no 'adm'; did you mean 'adam'?"},
        {"guard: of\n", "3:8: guard.policy: there is no 'of'; did you mean 'off'?"},
        {"model: {activation: zzzzzzzz}\n",
         "3:21: model.activation: there is no 'zzzzzzzz'; known: none, relu, leaky_relu, gelu, "
         "sigmoid and tanh"},
        {"model: {init: zero}\n", "3:15: model.init: there is no 'zero'; known: "},
        {"heads: [{kind: mask}]\n", "3:16: heads[0].kind: 'mask' is not available in this version"},
        {"guard: {remedies: [{fallback: {}}]}\n",
         "3:31: guard.remedies[].fallback: wanted one of optimizer.lr, optimizer.clip_norm and "
         "train.batch_size, found"},
        {"guard: {remedies: [{fallback: {train: {batch_size: 2.5}}}]}\n",
         "3:31: guard.remedies[].fallback: wanted a whole number as batch_size, found"},
        {"guard: {remedies: [{fallback: {model: {hidden: 8}}}]}\n",
         "3:32: unknown key 'model' in guard.remedies[].fallback; known are optimizer and train"},
        {"guard: {remedies: [{fallback: {optimizer: {lr: 0}}}]}\n",
         "3:48: guard.remedies[].fallback.optimizer.lr is 0; wanted more than 0"},
        {"guard: {remedies: [{fallback: 0.5}]}\n",
         "3:31: guard.remedies[].fallback: wanted a mapping such as {optimizer: {lr: 1.0e-4}}, "
         "found"},
        {"guard: {remedies: [{focal_gamma: 2}]}\n",
         "3:34: guard.remedies[].focal_gamma is 2; wanted at least 0 and at most 1"},
        {"guard: {remedies: [{lrr: 1}]}\n",
         "3:21: guard.remedies: there is no 'lrr'; did you mean 'lr'?"},
        {"guard: {detectors: {one_clas: false}}\n",
         "3:21: guard.detectors: there is no 'one_clas'; did you mean 'one_class'?"},
        {"guard: {detectors: {one_class: {flor: 1}}}\n",
         "3:33: guard.detectors.one_class: there is no 'flor'; did you mean 'floor'?"},
        {"guard: {detectors: {one_class: 3}}\n",
         "3:32: guard.detectors.one_class: wanted false, true or a mapping of options, found"},
        {"guard: {remedies: [{lr: 0.5, clip_norm: 1}]}\n",
         "3:20: guard.remedies: wanted one remedy such as {lr: 0.5}, found a mapping"},
    };
    REFUSE_ALL(cases);
    refuse(
        "name: a\ndata: {kind: events, path: a, target: y}\n",
        "t.yaml:2:14: data.kind: 'events' is not available in this version; available: csv, npz, "
        "simulated and sequence");
    refuse("name: a\ndata: {kind: simulated, simulator: hand_landmark}\n",
           "t.yaml:2:36: data.simulator.name: there is no 'hand_landmark'; did you mean "
           "'hand_landmarks'?");
}

/* A key without a meaning would be ignored in silence otherwise. */
static void keys_without_a_meaning(void **state) {
    static const refusal cases[] = {
        {"optimizer: {kind: adamw, l2: 0.1}\n", "3:26: optimizer.l2 has no meaning with kind: "
                                                "adamw, only with sgd, momentum and adam; take "
                                                "it out (on a command line: optimizer.l2=)"},
        {"model: {width: 64}\n",
         "3:9: model.width has no meaning with kind: mlp, only with residual"},
        {"heads: [{loss: {gamma: 3}}]\n", "3:17: heads[0].loss.gamma has no meaning with kind: "},
        {"model: {slope: 0.3}\n",
         "3:9: model.slope has no meaning with activation: relu, only with"},
        {"schedule: {kind: cosine, patience: 3}\n", "3:26: schedule.patience has no meaning"},
        {"heads: [{kind: value, class_weights: balanced}]\n",
         "3:23: heads[0].class_weights has no meaning with kind: value, only with classes and "
         "binary"},
    };
    REFUSE_ALL(cases);
}

/* ---- checks across keys ---- */

static void data_checks(void **state) {
    refuse("name: a/b\ndata: {kind: csv, path: a, target: y}\n",
           "t.yaml:1:7: name: 'a/b' cannot name run folders");
    refuse("name: ''\ndata: {kind: csv, path: a, target: y}\n", "t.yaml:1:7: name: ''");
    refuse("name: .hidden\ndata: {kind: csv, path: a, target: y}\n", "t.yaml:1:7: name: '.hidden'");
    refuse("name: a\ndata: {kind: csv, path: '', target: y}\n", "t.yaml:2:25: data.path is empty");
    refuse("name: a\ndata: {kind: csv, path: a, target: y, split: {train: 0.9}}\n",
           "t.yaml:2:46: data.split: train 0.9 + val 0.1 + test 0.1 is 1.1 (defaults included)");
    refuse("name: a\ndata: {kind: csv, path: a, target: y, features: [b, y]}\n",
           "t.yaml:2:49: data.features lists 'y', which is the target of head 'label'");
    refuse("name: a\ndata: {kind: csv, path: a, target: y, features: [b, c, b]}\n",
           "t.yaml:2:56: data.features: 'b' comes twice");
    refuse("name: a\ndata: {kind: csv, path: a, target: y, split: {kind: time, time: ''}}\n",
           "t.yaml:2:65: data.split.time is empty; wanted a column");
}

static void model_checks(void **state) {
    static const refusal cases[] = {
        {"model: {hidden: [8, 8], dropout: [0.1]}\n",
         "3:34: model.dropout lists 1 rates for 2 hidden layers; give one each, or a single "
         "number"},
        {"model: {hidden: [], dropout: 0.5}\n",
         "3:30: model.dropout is 0.5, but there are no hidden layers"},
        {"model: {kind: residual, blocks: 2, dropout: [0.1, 0.2, 0.3]}\n",
         "3:45: model.dropout lists 3 rates for 2 blocks"},
        {"heads: [{dropout: 0.5}]\n",
         "3:19: dropout of the head is 0.5, but there are no hidden layers"},
        {"model: {freeze: ['']}\n", "3:18: model.freeze: an empty text"},
    };
    REFUSE_ALL(cases);
}

static void head_checks(void **state) {
    static const refusal cases[] = {
        {"heads: [{name: a}, {name: b}, {name: a}]\n",
         "3:38: heads[0] and heads[2] are both called 'a'"},
        {"heads: [{name: loss}]\n",
         "3:16: heads[0].name: 'loss' stands for the loss of all heads in the logs"},
        {"heads: [{name: a.b}]\n", "3:16: heads[0].name: 'a.b' cannot be part of val.NAME.METRIC"},
        {"heads: [{kind: value, loss: focal}]\n",
         "3:29: loss 'focal' does not fit head 'label' of kind value; fitting: "},
        {"heads: [{kind: binary, loss: {kind: cross_entropy}}]\n",
         "3:37: loss 'cross_entropy' does not fit head 'label' of kind binary"},
        {"heads: [{classes: [A, B, C], loss: {kind: focal, alpha: 0.5}}]\n",
         "3:57: alpha is for two classes, but head 'label' has 3; use class_weights"},
        {"heads: [{kind: value, transform: log, loss: {kind: threshold_huber, threshold: 0}}]\n",
         "3:80: threshold is 0, but head 'label' learns logarithms"},
        {"heads: [{kind: binary, payoff: {a: [0, 1]}}]\n",
         "3:36: heads[0].payoff: wanted a list of 1 gains for 'a', one per predicted class in the "
         "order of the classes, and such a list for each class"},
        {"heads: [{kind: binary, payoff: {a: [0, 1], b: [1]}}]\n",
         "3:47: heads[0].payoff: wanted a list of 2 gains for 'b'"},
        {"heads: [{kind: binary, payoff: 3}]\n",
         "3:32: heads[0].payoff: wanted {true class: [gain by predicted class]}"},
        {"heads: [{kind: binary, classes: [a, b], payoff: {a: [0, 1], c: [1, 0]}}]\n",
         "3:49: payoff names 'c', which is not a class of head 'label'"},
        {"heads: [{classes: [a, b, c], payoff: {a: [0, 1], b: [1, 0]}}]\n",
         "3:38: payoff says nothing of class 'c' of head 'label'"},
        {"monitor: val.label.expected_profit\n",
         "3:10: monitor: expected_profit needs to know what answers are worth"},
        {"monitor: val.label.risk\n", "3:10: monitor: risk is of one class; name it"},
        {"heads: [{classes: [A]}]\n", "3:19: head 'label' lists 1 classes; wanted at least 2"},
        {"heads: [{kind: binary, classes: [A, B, C]}]\n",
         "3:33: head 'label' lists 3 classes; wanted 2"},
        {"heads: [{classes: [A, B, A]}]\n", "3:26: classes: 'A' comes twice"},
        {"heads: [{classes: [A, B], class_weights: {kind: explicit, values: [1]}}]\n",
         "3:67: class_weights lists 1 values, but head 'label' has 2 classes"},
        {"heads: [{classes: [A, B], class_weights: {kind: explicit, values: {A: 1, C: 1}}}]\n",
         "3:77: class_weights names 'C', which is not a class of head 'label'"},
        {"heads: [{weight: 0}]\n", "3:18: the weights of all heads are 0"},
    };
    REFUSE_ALL(cases);
}

static void metric_checks(void **state) {
    static const refusal cases[] = {
        {"monitor: macro_f1\n", "3:10: monitor: metric 'macro_f1' has no '.'; wanted SPLIT.HEAD"},
        {"monitor: valid.label.macro_f1\n",
         "3:10: monitor: metric 'valid.label.macro_f1': 'valid' is"},
        {"monitor: val.lable.macro_f1\n",
         "3:10: monitor, head: there is no 'lable'; did you mean 'label'?"},
        {"monitor: val.label.makro_f1\n",
         "3:10: monitor, metric of a head of kind classes: there is no 'makro_f1'; did you mean "
         "'macro_f1'?"},
        {"monitor: val.label.rmse\n",
         "3:10: monitor, metric of a head of kind classes: there is no"},
        {"monitor: test.label.macro_f1\n", "3:10: monitor: the test split must not steer training"},
        {"monitor: train.label.macro_f1\n",
         "3:10: monitor: of the training split only the loss is known; use val.label.macro_f1"},
        {"monitor: val.label.recall\n", "3:10: monitor: recall is of one class; name it, as in"},
        {"monitor: val.label.macro_f1[A]\n",
         "3:10: monitor: macro_f1 is of all classes; leave out"},
        {"monitor: val.label.unique_predictions\n",
         "3:10: monitor: neither more nor less of unique_predictions is better"},
        {"heads: [{classes: [A, B]}]\nmonitor: val.label.recall[C]\n",
         "4:10: monitor: head 'label' has no class 'C'"},
        {"schedule: {kind: plateau, monitor: val.label.loss, mode: max}\n",
         "3:58: schedule.mode is max, but val.label.loss is better when smaller"},
        {"schedule: {kind: plateau, monitor: val.x.loss}\n",
         "3:36: schedule.monitor, head: there is no 'x'"},
    };
    REFUSE_ALL(cases);
}

static void optimizer_checks(void **state) {
    static const refusal cases[] = {
        {"optimizer: {kind: momentum, momentum: 0, nesterov: true}\n",
         "3:52: nesterov looks ahead along the momentum, which is 0"},
        {"optimizer: {groups: [{match: ''}]}\n", "3:30: match is empty"},
        {"optimizer: {kind: adamw, groups: [{match: a, l2: 1}]}\n", "3:50: adamw has no l2"},
        {"optimizer: {groups: [{match: a, weight_decay: 1}]}\n",
         "3:47: adam has no weight_decay; use l2, or adamw"},
    };
    REFUSE_ALL(cases);
}

/* Places inside a rule's text, where it stands as it is written. */
static void rule_checks(void **state) {
    static const refusal cases[] = {
        {"guard: {rules: x}\n", "3:16: guard.rules: wanted a list of rules, found text, 'x'"},
        {"guard: {rules: [[x]]}\n", "3:17: guard.rules: wanted a rule such as"},
        {"guard:\n  rules:\n    - \"\"\n", "5:8: rule: wanted a metric, found its end;"},
        {"guard:\n  rules:\n    - \"val.label.loss\"\n",
         "5:22: rule: wanted one of < <= > >= == !=, found its end;"},
        {"guard:\n  rules:\n    - val.label.loss less 3\n",
         "5:22: rule: wanted one of < <= > >= == !=, found 'less 3';"},
        {"guard:\n  rules:\n    - 'val.label.loss < x'\n",
         "5:25: rule: wanted a number, found 'x'"},
        {"guard:\n  rules:\n    - val.label.loss < nan\n",
         "5:24: rule: wanted a number, found 'nan'"},
        {"guard:\n  rules:\n    - val.label.loss < 3 after x\n",
         "5:32: rule: wanted a number of evaluations, found 'x'"},
        {"guard:\n  rules:\n    - val.label.loss < 3 aftr 3\n",
         "5:26: rule: wanted `after N` or `-> POLICY`, found 'aftr 3'"},
        {"guard:\n  rules:\n    - val.label.loss < 3 -> off\n",
         "5:29: rule: wanted warn, stop or recover, found 'off'"},
        {"guard:\n  rules:\n    - val.label.loss < 3 -> stop now\n",
         "5:34: rule: wanted nothing more, found 'now'"},
        {"guard:\n  rules:\n    - label.loss < 3\n", "5:7: rule: metric 'label.loss' has one '.'"},
        {"guard:\n  rules:\n    - \"\\x76al.label.loss < x\"\n", "5:7: rule: wanted a number"},
        {"guard:\n  rules: [\"val.label.recall[é] < 1 x\"]\n",
         "4:36: rule: wanted `after N` or `-> POLICY`, found 'x'"},
        {"guard:\n  rules: [\"val.label.recal[A] < 1\"]\n",
         "4:11: rule, metric of a head of kind classes: there is no 'recal'; did you mean "
         "'recall'?"},
    };
    REFUSE_ALL(cases);
}

static void environment_checks(void **state) {
    assert_int_equal(unsetenv("BAL_TEST_UNSET"), 0);
    assert_int_equal(setenv("BAL_TEST_BYTES", "\xff", 1), 0);
    refuse("name: a\ndata:\n  path: x/${BAL_TEST_UNSET}/y\n",
           "t.yaml:3:11: environment variable BAL_TEST_UNSET is not set; set it, or write "
           "${BAL_TEST_UNSET:-default}");
    refuse("name: '${BAL_TEST_UNSET'\n",
           "t.yaml:1:8: '${' without a '}'; write $${ for the text ${");
    refuse("name: ${}\n", "t.yaml:1:7: '${}' is no variable; wanted ${NAME} or ${NAME:-default}");
    refuse("name: ${1A}\n", "t.yaml:1:7: '${1A}' is no variable");
    refuse("name: ${A-b}\n", "t.yaml:1:7: '${A-b}' is no variable");
    refuse("name: ${BAL_TEST_BYTES}\n",
           "t.yaml:1:7: environment variable BAL_TEST_BYTES is not UTF-8");
    refuse("name: ${BAL_TEST_UNSET:-a b}\ndata: {kind: csv, path: a, target: y}\n",
           "t.yaml:1:7: name: 'a b' cannot name run folders");
    refuse_with(MINIMAL, "name=${BAL_TEST_UNSET}",
                "command line: name=${BAL_TEST_UNSET}: environment variable BAL_TEST_UNSET is not");
}

/* Through an alias the place is where the value is written. */
static void aliases(void **state) {
    refuse(MINIMAL "train: {epochs: &n 0, batch_size: *n}\n", "t.yaml:3:20: train.epochs is 0");
    refuse(MINIMAL "stop: {patience: &n 0}\ntrain:\n  epochs: *n\n",
           "t.yaml:3:21: train.epochs is 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_even_yaml),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(out_of_range),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(keys_without_a_meaning),
        cmocka_unit_test(data_checks),
        cmocka_unit_test(model_checks),
        cmocka_unit_test(head_checks),
        cmocka_unit_test(metric_checks),
        cmocka_unit_test(optimizer_checks),
        cmocka_unit_test(rule_checks),
        cmocka_unit_test(environment_checks),
        cmocka_unit_test(aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
