/* Scope guards: a local that owns something frees it when its scope ends, unless TAKE() handed it
 * on. Constructors can then return early without a goto. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a guarded pointer to its new owner; the guard then has nothing to do. */
#define TAKE(var)                               \
	({                                      \
		__typeof__(var) taken_ = (var); \
		(var) = NULL;                   \
		taken_;                         \
	})

/* The same for a file descriptor. */
#define TAKE_FD(var)              \
	({                        \
		int taken_ = (var); \
		(var) = -1;       \
		taken_;           \
	})

/* Defines fn_p(), the guard form of a destructor `fn(type)` that accepts NULL. */
#define DEFINE_CLEANUP(type, fn)                      \
	static inline void fn##_p(type *guarded_)     \
	{                                             \
		fn(*guarded_);                        \
	}                                             \
	struct cleanup_semicolon_

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

#define autofree   CLEANUP(cleanup_free)
#define autoclose  CLEANUP(cleanup_close)
#define autofclose CLEANUP(cleanup_fclose)

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
