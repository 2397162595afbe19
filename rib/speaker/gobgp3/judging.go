package gobgp3

import (
	"slices"
	"unsafe"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// hearing is what GoBGP's policies made of a path, statement by statement, in the words of the
// configuration.
type hearing struct {
	path     *bgpPath // as they left it
	rejected bool
	by       string   // what decided; "": nothing did, and the path was accepted
	then     []string // what changed it
}

// hear has policies judge a path as GoBGP does (ApplyPolicy in internal/pkg/table/policy.go),
// and tells what decided. It is called in the loop.
func hear(l *loop, policies unsafe.Pointer, table string, direction int, words conf.Words, path *bgpPath, options *bgpPolicyOptions, log *logger) (h hearing) {
	h.path = path
	assigned := (*l.assignments.in(policies))[table]
	if assigned == nil {
		return h
	}
	list, fallback := *l.importList.in(assigned), *l.importDefault.in(assigned)
	key := "default-import-policy"
	if direction == outwards {
		list, fallback, key = *l.exportList.in(assigned), *l.exportDefault.in(assigned), "default-export-policy"
	}
	for _, policy := range list {
		for _, statement := range *l.statements.in(policy) {
			name := words.Of(*l.policyName.in(policy), *l.statementName.in(statement))
			result, next := statementApply(statement, log, h.path, options)
			if next != h.path && name != "" && !slices.Contains(h.then, name) {
				h.then = append(h.then, name)
			}
			h.path = next
			if result == noRoute {
				continue
			}
			h.rejected, h.by = result == rejectRoute, name
			return h
		}
	}
	if h.rejected = fallback == rejectRoute; h.rejected {
		h.by = "no global policy accepts it, and " + key
	}
	return h
}
