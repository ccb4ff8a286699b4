// Preloaded beside libfaketime, which turns the deadlines of pthread_cond_timedwait into those of the true
// clock and does not know C11's name for it, which librdkafka uses.
#include <pthread.h>
#include <threads.h>

#include <cerrno>

extern "C" int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* deadline) {
  const int error = pthread_cond_timedwait(reinterpret_cast<pthread_cond_t*>(condition),
                                           reinterpret_cast<pthread_mutex_t*>(mutex), deadline);
  return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}
