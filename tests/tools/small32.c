/* A 32-bit program without a library: makes, by int 0x80, calls for test_calls.py below the folder that is its
 * only argument. Built by the test, with -m32 -nostdlib -static. */

static char path[512];
static const char *folder;

static int call(int number, const void *a, const void *b, const void *c, const void *d)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory");
	return result;
}

#define CALL(number, a, b, c) call(number, (const void *)(a), (const void *)(b), (const void *)(c), (const void *)0)

static const char *below(const char *name, char *to)
{
	char *at = to;

	for (const char *from = folder; *from != '\0'; from++)
		*at++ = *from;
	*at++ = '/';
	while ((*at++ = *name++) != '\0')
		;
	return to;
}

static void files(void)
{
	static char other[512];

	CALL(5, "/etc/shadow", 0, 0);			       /* open */
	CALL(8, below("made32", path), 0640, 0);	       /* creat */
	CALL(38, path, below("moved32", other), 0);	       /* rename */
	CALL(15, other, 04755, 0);			       /* chmod */
	CALL(10, other, 0, 0);				       /* unlink */
	CALL(39, below("folder32", path), 0700, 0);	       /* mkdir */
	call(295, (void *)-100, "nowhere32", (void *)0, 0);    /* openat */
	CALL(22, "/nowhere32", 0, 0);			       /* umount: only here */
}

static void network(void)
{
	static const unsigned char to[16] = { 2, 0, 0, 9, 127, 0, 0, 6 }, other[16] = { 2, 0, 0, 9, 127, 0, 0, 7 };
	static const struct {
		const char *at;
		unsigned len;
	} data = { "x", 1 };
	static struct {
		const void *name;
		unsigned len;
		const void *data;
		unsigned count;
		const void *control;
		unsigned control_len, flags;
	} message = { other, sizeof(other), &data, 1, 0, 0, 0 };
	unsigned words[6] = { 2, 2, 0 };
	int fd = CALL(102, 1, words, 0); /* socketcall: socket */

	words[0] = (unsigned)fd;
	words[1] = (unsigned)to;
	words[2] = sizeof(to);
	CALL(102, 3, words, 0); /* connect */
	words[1] = (unsigned)&message;
	words[2] = 0;
	CALL(102, 16, words, 0);  /* sendmsg */
	fd = CALL(359, 2, 2, 0);  /* socket(2) itself */
	CALL(362, fd, to, sizeof(to));
	CALL(370, fd, &message, 0); /* sendmsg(2) itself */
}

__attribute__((used)) static void begin(const int *stack)
{
	static const char *arguments[] = { "small32-again", 0 };
	int child;

	folder = (const char *)stack[2];
	if (stack[0] == 2) {
		files();
		network();
		CALL(37, CALL(20, 0, 0, 0), 0, 0); /* kill(getpid(), 0) */
		child = CALL(2, 0, 0, 0);	   /* fork */
		if (child == 0) {
			CALL(213, 65534, 0, 0); /* setuid32 */
			CALL(11, "/proc/self/exe", arguments, 0);
		}
		CALL(7, child, 0, 0); /* waitpid */
	}
	CALL(1, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tpush %eax\n\tcall begin\n");
