# Judges system-call events for the rules in rules.yaml: what may run in which container, whom it may
# talk to, and which files it may change. What is allowed stands in data.json, beside this file:
#
#     opa run --server --addr 127.0.0.1:8181 deploy/opa
#
# A rule of Tocsin sends one event as `input` and fires when its path gives true or a list that is not
# empty; the messages of such a list stand in the alert.
package tocsin.syscalls

import rego.v1

# --- programs ---------------------------------------------------------------------------------------

started if input.fields["evt.type"] in {"execve", "execveat"}

program := input.fields["proc.name"]

image := input.fields["container.image.repository"]

# Programs of an image that the list knows; any program of an image that it does not know.
may_run if program in data.tocsin.programs[image]

may_run if not data.tocsin.programs[image]

exec contains sprintf("%s may not run in %s", [program, image]) if {
	started
	not may_run
}

exec contains sprintf("%s was started by %s, which starts no programs", [program, parent]) if {
	started
	parent := input.fields["proc.pname"]
	parent in data.tocsin.childless
}

# --- connections ------------------------------------------------------------------------------------

connected if input.fields["evt.type"] in {"connect", "sendto", "sendmsg"}

inside if {
	some cidr in data.tocsin.networks
	net.cidr_contains(cidr, input.fields["fd.sip"])
}

connect contains sprintf("%s may not talk to %s:%v", [program, input.fields["fd.sip"], input.fields["fd.sport"]]) if {
	connected
	not inside
	not input.fields["fd.sport"] in data.tocsin.ports
}

# --- files ------------------------------------------------------------------------------------------

writes if input.fields["evt.type"] in {"open", "openat", "openat2", "creat"}

write contains sprintf("%s is not changed by %s", [input.fields["fd.name"], program]) if {
	writes
	some prefix in data.tocsin.fixed
	startswith(input.fields["fd.name"], prefix)
	not program in data.tocsin.installers
}
