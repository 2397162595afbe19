package kernel

import (
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// lookups are what a namespace's monitor tells an Underlay. The monitor guards all but inbox.
type lookups struct {
	inbox inbox
	// tables are those to which rules lead, nil while they have to be read; rules counts the
	// changes of rules.
	tables map[uint32]struct{}
	rules  int
}

func newLookups() *lookups { return &lookups{inbox: newInbox()} }

// uses tells whether the kernel may go by a table.
func (l *lookups) uses(table uint32) bool {
	_, is := l.tables[table]
	return is || l.tables == nil
}

// rulesChanged takes in that there are other rules.
func (l *lookups) rulesChanged() {
	l.tables = nil
	l.rules++
	l.inbox.resync(rib.ResyncOther, nil)
}

// learn takes in the tables that rules led to when so many changes of them were known.
func (l *lookups) learn(tables map[uint32]struct{}, rules int) {
	if l.rules == rules {
		l.tables = tables
	}
}

// builtInTables are those to which rules lead unless somebody changes that.
func builtInTables() map[uint32]struct{} {
	return map[uint32]struct{}{unix.RT_TABLE_LOCAL: {}, unix.RT_TABLE_MAIN: {}, unix.RT_TABLE_DEFAULT: {}}
}
