package core

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// fixture is a rule that leads to a table, or the end of a table or a locator: one of both is set.
type fixture struct {
	rule rib.Rule
	end  rib.Unreachable
}

const (
	// rulePreference of rules is before that of VRF devices, which is 1000, and of the main table.
	rulePreference = 500
	// lookAfter is how often it is seen to that fixtures are there: of rules nobody tells.
	lookAfter = 5 * time.Minute
)

// fixturesOf is what a VRF needs beside its label or SIDs, and others do not have.
func fixturesOf(t *tenant) (list []fixture) {
	if to := t.is.Through.To; t.is.Through.Link != "" && to.Table != 0 {
		// What the table does not have is answered there: the next table knows other networks.
		for _, end := range rib.Defaults(to.Table) {
			list = append(list, fixture{end: end})
		}
		list = append(list, fixture{rule: rib.Rule{Link: t.is.Through.Link, Table: to.Table, Pref: rulePreference}})
	}
	return list
}

// compare has ends before rules.
func (f fixture) compare(o fixture) int {
	return cmp.Or(cmp.Compare(f.rule.Table, o.rule.Table), cmp.Compare(f.rule.Link, o.rule.Link),
		cmp.Compare(f.end.Table, o.end.Table), f.end.Prefix.Compare(o.end.Prefix))
}

// locatorOf is the end of the locator of a VRF's SIDs, which it has together with others: packets
// for a SID that went would go round between this router and the one before it.
func locatorOf(t *tenant) (f fixture, has bool) {
	if t.is.Kind != rib.EncapSRv6 || !t.is.SRv6.Locator.IsValid() {
		return f, false
	}
	return fixture{end: rib.Unreachable{Table: tableMain, Prefix: t.is.SRv6.Locator}}, true
}

// fix has what a VRF needs beside its label or SIDs.
func (k *keeper) fix(ctx context.Context, a *ask, t *tenant) error {
	list := fixturesOf(t)
	if f, has := locatorOf(t); has {
		list = append(list, f)
	}
	for _, f := range list {
		if a.now.Sub(k.made[f]) < lookAfter && !k.made[f].IsZero() {
			a.again(k.made[f].Add(lookAfter).Sub(a.now))
			continue
		}
		var err error
		if f.rule != (rib.Rule{}) {
			err = k.fixtures.AddRule(ctx, a.is.Binding(), f.rule, a.is.Protocol)
		} else {
			err = k.fixtures.AddUnreachable(ctx, a.is.Binding(), f.end, a.is.Protocol)
		}
		if err != nil {
			a.again(retryFirst * 4)
			return fmt.Errorf("what leads to its packets is not there: %w", err)
		}
		if k.made == nil {
			k.made = make(map[fixture]time.Time)
		}
		k.made[f] = a.now
		a.again(lookAfter)
	}
	return nil
}

// recall has the fixtures of a VRF that is no more removed with those that were made, where no other
// has them: an earlier run may have made them.
func (k *keeper) recall(t *tenant) {
	if k.made == nil {
		k.made = make(map[fixture]time.Time)
	}
	list := fixturesOf(t)
	if f, has := locatorOf(t); has {
		list = append(list, f)
	}
	for _, f := range list {
		if _, known := k.made[f]; !known {
			k.made[f] = time.Time{}
		}
	}
}

// unmake removes fixtures that no VRF has any more.
func (k *keeper) unmake(ctx context.Context, a *ask, all map[string]tenant) {
	if len(k.made) == 0 {
		return
	}
	used := make(map[fixture]bool)
	for _, t := range all {
		for _, f := range fixturesOf(&t) {
			used[f] = true
		}
		if f, has := locatorOf(&t); has {
			used[f] = true
		}
	}
	for _, f := range slices.SortedFunc(maps.Keys(k.made), fixture.compare) {
		if used[f] {
			continue
		}
		if err := k.remove(ctx, a, f); err != nil {
			k.core.log.Warn("what a VRF had in the core could not be removed; it is tried again", "err", err)
			a.again(retryMost)
		}
	}
}

// remove removes a fixture.
func (k *keeper) remove(ctx context.Context, a *ask, f fixture) (err error) {
	if f.rule != (rib.Rule{}) {
		err = k.fixtures.RemoveRule(ctx, a.is.Binding(), f.rule, a.is.Protocol)
	} else {
		err = k.fixtures.RemoveUnreachable(ctx, a.is.Binding(), f.end, a.is.Protocol)
	}
	if err == nil {
		delete(k.made, f)
	}
	return err
}
