/* Names and types of events' parameters are Falco's. Where events have parameters of one name and different
 * types, the type is the one that Falco takes when it loads a rule. */
#include "rules/params.h"

#include "base/cleanup.h"
#include "rules/near.h"

#define PARAM(text, kind, form)                                                                     \
	{                                                                                           \
		{ text, sizeof(text) - 1 }, FIELD_TYPE_##kind, FIELD_FORMAT_##form                  \
	}

/* By name. */
/* clang-format off */
static const struct param_info params[] = {
	PARAM("ID", UINT, DEC), PARAM("action", UINT, DEC), PARAM("addr", OPAQUE, NA), PARAM("arg", UINT, HEX),
	PARAM("arg2_int", INT, DEC), PARAM("arg2_str", STR, NA), PARAM("args", BYTES, NA),
	PARAM("argument", UINT, HEX), PARAM("argv", OPAQUE, NA), PARAM("aux", INT, DEC),
	PARAM("backlog", INT, DEC), PARAM("cap_effective", UINT, HEX), PARAM("cap_inheritable", UINT, HEX),
	PARAM("cap_permitted", UINT, HEX), PARAM("cgroups", BYTES, NA), PARAM("clockid", UINT, DEC),
	PARAM("cmd", UINT, DEC), PARAM("comm", STR, NA), PARAM("container_id", STR, NA),
	PARAM("core", UINT, DEC), PARAM("cpu", UINT, DEC), PARAM("cpu_sys", UINT, DEC),
	PARAM("cpu_usr", UINT, DEC), PARAM("cq_entries", UINT, DEC), PARAM("creat_flags", UINT, HEX),
	PARAM("cur", INT, DEC), PARAM("cwd", STR, NA), PARAM("data", BYTES, NA), PARAM("desc", STR, NA),
	PARAM("description", STR, NA), PARAM("dev", UINT, HEX), PARAM("dir", STR, NA),
	PARAM("dirfd", INT, DEC), PARAM("domain", UINT, DEC), PARAM("dpid", INT, DEC),
	PARAM("dqb_bhardlimit", UINT, DEC), PARAM("dqb_bsoftlimit", UINT, DEC),
	PARAM("dqb_btime", RELTIME, DEC), PARAM("dqb_curspace", UINT, DEC), PARAM("dqb_ihardlimit", UINT, DEC),
	PARAM("dqb_isoftlimit", UINT, DEC), PARAM("dqb_itime", RELTIME, DEC),
	PARAM("dqi_bgrace", RELTIME, DEC), PARAM("dqi_flags", UINT, DEC), PARAM("dqi_igrace", RELTIME, DEC),
	PARAM("egid", UINT32, DEC), PARAM("entries", UINT, DEC), PARAM("env", BYTES, NA),
	PARAM("error", UINT, HEX), PARAM("euid", UINT32, DEC), PARAM("event_data", UINT, DEC),
	PARAM("event_type", UINT, DEC), PARAM("exe", STR, NA), PARAM("exe_ino", UINT, DEC),
	PARAM("exe_ino_ctime", ABSTIME, DEC), PARAM("exe_ino_mtime", ABSTIME, DEC),
	PARAM("exe_ino_num", UINT, DEC), PARAM("exepath", STR, NA), PARAM("fd", INT, DEC),
	PARAM("fd1", INT, DEC), PARAM("fd2", INT, DEC), PARAM("fd_in", INT, DEC), PARAM("fd_out", INT, DEC),
	PARAM("fd_type", UINT, DEC), PARAM("fdin", INT, DEC), PARAM("fdlimit", UINT, DEC),
	PARAM("fdout", INT, DEC), PARAM("fds", OPAQUE, DEC), PARAM("features", UINT, HEX),
	PARAM("filename", STR, NA), PARAM("flags", UINT, HEX), PARAM("gid", UINT32, DEC),
	PARAM("home", STR, NA), PARAM("how", UINT, HEX), PARAM("id", UINT, DEC), PARAM("image", STR, NA),
	PARAM("img", BYTES, NA), PARAM("in_fd", INT, DEC), PARAM("initval", UINT, DEC),
	PARAM("ino", UINT, DEC), PARAM("ino_num", UINT, DEC), PARAM("interval", RELTIME, DEC),
	PARAM("ip", UINT, HEX), PARAM("json", STR, NA), PARAM("key", INT, HEX), PARAM("len", UINT, DEC),
	PARAM("length", UINT, DEC), PARAM("level", UINT, DEC), PARAM("linkdirfd", INT, DEC),
	PARAM("linkpath", STR, NA), PARAM("local_ip", IPADDR, HEX), PARAM("local_port", PORT, HEX),
	PARAM("loginuid", UINT32, DEC), PARAM("mask", UINT, HEX), PARAM("max", INT, DEC),
	PARAM("maxevents", INT, DEC), PARAM("min_complete", UINT, DEC), PARAM("mnt_id", UINT, DEC),
	PARAM("mode", UINT, OCT), PARAM("mountfd", INT, DEC), PARAM("msgcontrol", BYTES, NA),
	PARAM("name", STR, NA), PARAM("nativeID", UINT, DEC), PARAM("newcur", INT, DEC),
	PARAM("newdir", INT, DEC), PARAM("newdirfd", INT, DEC), PARAM("newfd", INT, DEC),
	PARAM("newmax", INT, DEC), PARAM("newpath", STR, NA), PARAM("next", INT, DEC),
	PARAM("nr_args", UINT, DEC), PARAM("nsems", INT, DEC), PARAM("nsops", UINT, DEC),
	PARAM("nstype", UINT, HEX), PARAM("offin", UINT, DEC), PARAM("offout", UINT, DEC),
	PARAM("offset", UINT, DEC), PARAM("oldcur", INT, DEC), PARAM("olddir", INT, DEC),
	PARAM("olddirfd", INT, DEC), PARAM("oldfd", INT, DEC), PARAM("oldmax", INT, DEC),
	PARAM("oldpath", STR, NA), PARAM("op", UINT, HEX), PARAM("opcode", UINT, DEC),
	PARAM("operation", UINT, HEX), PARAM("option", UINT, DEC), PARAM("optlen", UINT, DEC),
	PARAM("optname", UINT, DEC), PARAM("out_fd", INT, DEC), PARAM("path", STR, NA),
	PARAM("pathname", STR, NA), PARAM("peer", UINT, HEX), PARAM("pgft_maj", UINT, DEC),
	PARAM("pgft_min", UINT, DEC), PARAM("pgid", INT, DEC), PARAM("pgoffset", UINT, DEC),
	PARAM("pid", INT, DEC), PARAM("pid_fd", INT, DEC), PARAM("pidns_init_start_ts", UINT, DEC),
	PARAM("plugin_id", UINT, DEC), PARAM("pos", UINT, DEC), PARAM("ppid", INT, DEC),
	PARAM("prot", UINT, HEX), PARAM("proto", UINT, DEC), PARAM("ptid", INT, DEC),
	PARAM("queuelen", UINT, DEC), PARAM("queuemax", UINT, DEC), PARAM("queuepct", UINT, DEC),
	PARAM("quota_fmt", UINT, DEC), PARAM("quota_fmt_out", UINT, DEC), PARAM("quotafilepath", STR, NA),
	PARAM("ratio", UINT, DEC), PARAM("reaper_tid", INT, DEC), PARAM("remote_ip", IPADDR, HEX),
	PARAM("remote_port", PORT, HEX), PARAM("request", UINT, HEX), PARAM("res", INT, DEC),
	PARAM("res_or_fd", OPAQUE, DEC), PARAM("resolve", UINT, HEX), PARAM("resource", UINT, DEC),
	PARAM("ret", INT, DEC), PARAM("rgid", UINT32, DEC), PARAM("root", STR, NA), PARAM("ruid", UINT32, DEC),
	PARAM("scope", STR, NA), PARAM("sem_flg_0", UINT, HEX), PARAM("sem_flg_1", UINT, HEX),
	PARAM("sem_num_0", UINT, DEC), PARAM("sem_num_1", UINT, DEC), PARAM("sem_op_0", INT, DEC),
	PARAM("sem_op_1", INT, DEC), PARAM("semflg", UINT, HEX), PARAM("semid", INT, DEC),
	PARAM("semnum", INT, DEC), PARAM("sgid", UINT32, DEC), PARAM("shell", STR, NA), PARAM("sid", INT, DEC),
	PARAM("sig", UINT, DEC), PARAM("sigmask", OPAQUE, DEC), PARAM("size", UINT, DEC),
	PARAM("sk_pointer", UINT, DEC), PARAM("sk_proto", UINT, DEC), PARAM("sk_type", UINT, DEC),
	PARAM("source", UINT, HEX), PARAM("special", STR, NA), PARAM("spid", INT, DEC),
	PARAM("sq_entries", UINT, DEC), PARAM("sq_thread_cpu", UINT, DEC), PARAM("sq_thread_idle", UINT, DEC),
	PARAM("status", INT, DEC), PARAM("suid", UINT32, DEC), PARAM("sun_path", STR, NA),
	PARAM("tags", OPAQUE, NA), PARAM("target", STR, NA), PARAM("target_fd", INT, DEC),
	PARAM("tgid", INT, DEC), PARAM("tid", INT, DEC), PARAM("timeout", INT, DEC),
	PARAM("to_submit", UINT, DEC), PARAM("trusted_exepath", STR, NA), PARAM("tty", INT, DEC),
	PARAM("tuple", OPAQUE, NA), PARAM("type", UINT, DEC), PARAM("uargs", STR, NA),
	PARAM("uid", UINT32, DEC), PARAM("val", OPAQUE, DEC), PARAM("value_bytebuf", BYTES, NA),
	PARAM("value_charbuf", STR, NA), PARAM("vm_rss", UINT, DEC), PARAM("vm_size", UINT, DEC),
	PARAM("vm_swap", UINT, DEC), PARAM("vpgid", INT, DEC), PARAM("vpid", INT, DEC),
	PARAM("vtgid", INT, DEC), PARAM("vtid", INT, DEC), PARAM("whence", UINT, DEC),
};
/* clang-format on */

const struct param_info *param_find(struct str name)
{
	size_t low = 0, high = ARRAY_LEN(params);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp(name, params[middle].name);

		if (order == 0)
			return &params[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool param_begins(struct str text)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (str_starts(text, params[i].name))
			return true;
	return false;
}

struct str param_nearest(struct str name)
{
	struct near near = near_to(name);

	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		near_try(&near, params[i].name);
	return near.best;
}
