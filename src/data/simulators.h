/* The simulators there are; one line each here and in simulator.c's table. */
#ifndef BAL_DATA_SIMULATORS_H
#define BAL_DATA_SIMULATORS_H

#include "data/simulator.h"

extern const bal_simulator bal_simulator_hands;

#endif
