package conf

import (
	"fmt"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// Words are what people call GoBGP's statements, in the words of the configuration: of those of the
// file, of the copies that are made of them for neighbours and VRFs, and of our own. Who is told
// what decided about a route never sees the names that the copies have.
type Words map[string]string

// Of is what people call a statement of one of GoBGP's policies; "": it is one of ours that
// decides nothing.
func (w Words) Of(policy, statement string) string {
	if words, is := w[statement]; is {
		return words
	}
	if isRule(statement) {
		return ""
	}
	return fmt.Sprintf("statement %q of policy %q", statement, policy)
}

// callAll names the statements that policies of [[netlink.policies]] were written as.
func (w Words) callAll(set *oc.BgpConfigSet, called map[string]string) {
	for _, p := range set.PolicyDefinitions {
		for _, s := range p.Statements {
			if words, is := called[s.Name]; is {
				w[s.Name] = words
			}
		}
	}
}

// keptBlackhole is why a path with BLACKHOLE is not told.
const keptBlackhole = "it carries BLACKHOLE, which this router acts on itself (blackhole_no_export)"
