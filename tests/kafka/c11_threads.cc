// ThreadSanitizer knows POSIX threads only. librdkafka uses C11's, and a thread that it has not seen begin
// ends the process at the first call that it looks at. So under it these are C11's threads, made of POSIX's,
// as glibc makes them too.
#ifdef __SANITIZE_THREAD__

#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <memory>

namespace {

static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t));

pthread_mutex_t* posix(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* posix(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

int said(int error) {
  if (error == 0) return thrd_success;
  if (error == ETIMEDOUT) return thrd_timedout;
  if (error == EBUSY) return thrd_busy;
  return error == ENOMEM ? thrd_nomem : thrd_error;
}

struct Start {
  thrd_start_t run;
  void* argument;
};

void* begin(void* given) {
  const std::unique_ptr<Start> start(static_cast<Start*>(given));
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(start->run(start->argument)));
}

}  // namespace

extern "C" {

/// Its reference counts and the pointers that it shares are atomics of a library that is not instrumented, so
/// what they order is not seen: what it reads, writes and frees itself is left out, and its mutexes as
/// objects. What our callbacks do on its threads is not.
const char* __tsan_default_suppressions() { return "called_from_lib:librdkafka.so.1\nrace:^mtx_\n"; }

int thrd_create(thrd_t* thread, thrd_start_t run, void* argument) {
  auto start = std::make_unique<Start>(Start{run, argument});
  const int error = pthread_create(thread, nullptr, begin, start.get());
  if (error == 0) start.release();
  return said(error);
}

int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  const int error = pthread_join(thread, &returned);
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<std::intptr_t>(returned));
  return said(error);
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init(posix(mutex), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return said(error);
}

int mtx_lock(mtx_t* mutex) { return said(pthread_mutex_lock(posix(mutex))); }
int mtx_unlock(mtx_t* mutex) { return said(pthread_mutex_unlock(posix(mutex))); }
void mtx_destroy(mtx_t* mutex) { pthread_mutex_destroy(posix(mutex)); }

int cnd_init(cnd_t* condition) { return said(pthread_cond_init(posix(condition), nullptr)); }
int cnd_signal(cnd_t* condition) { return said(pthread_cond_signal(posix(condition))); }
int cnd_broadcast(cnd_t* condition) { return said(pthread_cond_broadcast(posix(condition))); }
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return said(pthread_cond_wait(posix(condition), posix(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* deadline) {
  return said(pthread_cond_timedwait(posix(condition), posix(mutex), deadline));
}
void cnd_destroy(cnd_t* condition) { pthread_cond_destroy(posix(condition)); }

void call_once(once_flag* flag, void (*run)()) { pthread_once(reinterpret_cast<pthread_once_t*>(flag), run); }

}  // extern "C"

#endif
