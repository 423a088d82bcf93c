// The whole run: check, warm up, batches, results, timing.
#ifndef ALBERT_ASCEND310_INFER_APPLICATION_H_
#define ALBERT_ASCEND310_INFER_APPLICATION_H_

#include "options.h"

namespace albert {

// Runs the model on all batches and writes results and timing; throws AppError.
void RunInference(const Options& options);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_APPLICATION_H_
