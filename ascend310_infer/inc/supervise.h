// Runs work in a process of its own, so that a crash inside MindSpore Lite ends in a message like any other failure.
#ifndef ALBERT_ASCEND310_INFER_SUPERVISE_H_
#define ALBERT_ASCEND310_INFER_SUPERVISE_H_

#include <sys/types.h>

#include <functional>

namespace albert {

// Runs "work" in a child process and returns its exit status; SIGINT and SIGTERM reach it as CheckInterrupted.
// When a signal ends the child, "clean_up" is called with the child's process id and a runtime error is thrown.
// Call it before any thread is started.
int RunSupervised(const std::function<int()>& work, const std::function<void(pid_t)>& clean_up);

// Inside the work: throws an error whose status is 130 or 143 when the process was asked to end.
void CheckInterrupted();

}  // namespace albert

#endif  // ALBERT_ASCEND310_INFER_SUPERVISE_H_
