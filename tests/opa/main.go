// Open Policy Agent's own command, for the tests: the newest version that Go 1.19 builds, which is
// Debian's.
package main

import (
	"os"

	"github.com/open-policy-agent/opa/cmd"
)

func main() {
	if err := cmd.RootCommand.Execute(); err != nil {
		os.Exit(1)
	}
}
