/* The table of simulators. */
#include "data/simulator.h"

#include <string.h>

#include "data/simulators.h"

const bal_simulator *const bal_simulator_table[] = {&bal_simulator_hands, NULL};

const bal_simulator *bal_simulator_find(const char *name) {
    for (const bal_simulator *const *simulator = bal_simulator_table; *simulator; simulator++)
        if (strcmp((*simulator)->name, name) == 0) return *simulator;
    return NULL;
}
