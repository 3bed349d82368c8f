/* What the tests of rules share: a table that is healthy, a recipe of three heads on it about which
 * no rule has anything to say, and checking it with keys overridden. */
#ifndef BAL_TESTS_CHECK_LAB_H
#define BAL_TESTS_CHECK_LAB_H

#include "check/check.h"

typedef struct lab {
    char *folder; /* scratch; holds table.csv, sorted.csv (the same rows by class), and series */
    size_t memory_bytes; /* of the machine; 0: unknown */
    bool without_data;
    bool rehearse;      /* the start of a run, too */
    bal_recipe *recipe; /* of the last check */
    bal_check_report report;
    bool has_report;
} lab;

void lab_init(lab *l);
void lab_release(lab *l);

/** Check the recipe with overrides ("a=1|b=2", NULL: none); fails the test when it is refused. */
void lab_check(lab *l, const char *overrides);
/** The same for a whole recipe. */
void lab_check_text(lab *l, const char *text);

/** The first finding of a rule in the last report; NULL when there is none. */
const bal_finding *lab_finding(const lab *l, const char *rule);

/** Recipe with overrides, and its dataset, for other calls; free both. */
bal_recipe *lab_recipe(const lab *l, const char *overrides);
bal_dataset *lab_dataset(const bal_recipe *recipe);

#endif
