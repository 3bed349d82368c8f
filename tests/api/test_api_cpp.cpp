// The public header from C++: compiles without a warning, links by its C names, and fits the
// language's own way of cleaning up.
#include <ballast/ballast.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

struct free_experiment {
    void operator()(bal_experiment *experiment) const { bal_experiment_free(experiment); }
};

static bool expect(bool good, const char *what) {
    if (!good) std::fprintf(stderr, "FAIL: %s\n", what);
    return good;
}

int main() {
    bal_error err = {BAL_OK, ""};
    bal_experiment *raw = nullptr;
    const char *const overrides[] = {"train.epochs=2"};
    const char *text = "name: from-cpp\n"
                       "data: {kind: simulated, simulator: {name: hand_landmarks}}\n"
                       "model: {kind: mlp, hidden: [8]}\n"
                       "heads: [{name: label, kind: classes}]\n";
    bool good = expect(bal_experiment_parse(text, nullptr, overrides, 1, &raw, &err) == BAL_OK,
                       err.message);
    std::unique_ptr<bal_experiment, free_experiment> experiment(raw);
    good = good && expect(std::string(bal_experiment_name(raw)) == "from-cpp", "name");

    bal_train_options options = bal_train_options_make();
    options.should_stop = [](void *) { return 1; };
    good = good && expect(options.size == sizeof options && options.threads == 0, "options");

    bal_estimator *estimator = nullptr;
    bal_status status = bal_estimator_load("/nowhere/model.safetensors", 0, &estimator, &err);
    good = good && expect(status == BAL_ENOTFOUND && !estimator, "a model that is not there");
    good = good && expect(std::string(bal_status_name(status)) == "BAL_ENOTFOUND", "status name");
    return good ? 0 : 1;
}
