#include "supervise.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "error.h"

namespace albert {
namespace {

volatile std::sig_atomic_t g_asked_to_end = 0;
volatile std::sig_atomic_t g_child = 0;

void NoteSignal(int number) { g_asked_to_end = number; }

// A signal from the terminal reaches the child by itself; one that was sent to this process alone does not.
void PassOn(int number) {
  if (g_child > 0) {
    kill(g_child, number);
  }
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

void OnEndSignals(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

[[noreturn]] void Work(const std::function<int()>& work, pid_t parent, const sigset_t& blocked) {
  // A parent that is killed takes the child along; one that was killed before this line is seen by its number.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) {
    _exit(kExitRuntimeError);
  }
  OnEndSignals(NoteSignal);
  // A reader of the output that goes away is no reason to lose the results.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  const int status = work();
  std::cout.flush();
  // Not exit(): taking down the runtime's global objects could crash what has ended well.
  _exit(status);
}

int WaitFor(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      throw RuntimeError("cannot wait for the inference: " + SystemText(errno), "", "run it again");
    }
  }
  return status;
}

}  // namespace

int RunSupervised(const std::function<int()>& work, const std::function<void(pid_t)>& clean_up) {
  const pid_t parent = getpid();
  const sigset_t blocked = EndSignals();
  // Until both processes are ready for them, so that none is lost.
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  std::cout.flush();
  const pid_t child = fork();
  if (child < 0) {
    throw RuntimeError("cannot start the inference: " + SystemText(errno), "", "end other programs");
  }
  if (child == 0) {
    Work(work, parent, blocked);
  }
  g_child = child;
  OnEndSignals(PassOn);
  sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  const int status = WaitFor(child);
  if (WIFSIGNALED(status)) {
    clean_up(child);
    throw RuntimeError("the inference was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
                           strsignal(WTERMSIG(status)) + ")",
                       "", "check the memory of the machine; export the model again, with fixed sizes");
  }
  return WEXITSTATUS(status);
}

void CheckInterrupted() {
  if (g_asked_to_end != 0) {
    throw AppError(128 + g_asked_to_end, "interrupted", "", "");
  }
}

}  // namespace albert
