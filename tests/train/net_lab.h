/* A network on the kit's table with nothing around it, for tests that look at single steps. */
#ifndef BAL_TESTS_NET_LAB_H
#define BAL_TESTS_NET_LAB_H

#include "train_kit.h"

typedef struct net_lab {
    kit k;
    bal_recipe *recipe;
    bal_dataset *dataset;
    bal_backend *backend;
    bal_network *network;
    bal_batcher *batches; /* of the training rows, shuffled */
    double rate[8];       /* per group; starts as the recipe's */
    int64_t step;
} net_lab;

/** Fails the test when anything is refused. */
void net_lab_init(net_lab *lab, const char *overrides);
void net_lab_release(net_lab *lab);
/** A network afresh, of the recipe's seed. */
void net_lab_restart(net_lab *lab);

/** The next batch. */
bal_batch net_lab_batch(net_lab *lab);
bal_step_result net_lab_step(net_lab *lab, const bal_batch *batch);

/** Copy of a stored tensor's numbers; free() it. */
float *net_lab_read(const net_lab *lab, const char *name, int64_t *ret_count);
void net_lab_write(net_lab *lab, const char *name, const float *values);
/** Copy of all that is stored but scratch; free() it. */
char *net_lab_snapshot(const net_lab *lab, size_t *ret_size);

#endif
