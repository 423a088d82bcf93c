// The input folders: which batches they hold.
#ifndef ALBERT_ASCEND310_INFER_BATCHES_H_
#define ALBERT_ASCEND310_INFER_BATCHES_H_

#include <cstdint>
#include <set>
#include <string>

namespace albert {

// Returns the names, without ".bin", of the batches in a folder.
// Throws a user error when it cannot be read or holds none.
std::set<std::string> BatchesOf(const std::string& folder);

// Throws a user error unless "folder" holds just the batches that were found in "first".
void CheckHoldsBatches(const std::string& folder, const std::set<std::string>& batches, const std::string& first);

// Throws a user error when the name of a batch, as preprocess.py writes it (<task>_batch_<rows>_<number>), names other
// rows than those of the model: 2 rows of 64 tokens are as many bytes as 4 of 32.
void CheckRows(const std::string& batch, int64_t rows, const std::string& folder);

// Returns the file of a batch.
std::string BatchFile(const std::string& folder, const std::string& batch);

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_BATCHES_H_
