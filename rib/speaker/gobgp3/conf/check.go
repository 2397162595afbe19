package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// Check reads a configuration of GoBGP, as JSON with kebab-case keys and
// without sections of ours, as completely as gobgpd does, and returns every
// error in it: also those on which gobgpd would end, and those that it would
// swallow. It is the errors.Join of several; each names the section and the key
// ("neighbors[1].config.peer-group"). It starts nothing, and looks at nothing of the
// host: who is on the interface of a neighbour that is named by one shows when it runs.
func Check(text []byte) error {
	if last := foundGood.Load(); last != nil && bytes.Equal(*last, text) {
		return nil
	}
	err := check(text)
	if err == nil {
		text = bytes.Clone(text)
		foundGood.Store(&text)
	}
	return err
}

// foundGood is the text that Check found good last. A configuration is checked when it is read, and
// again by who is given it, and with thousands of VRFs each takes a large part of a reload.
var foundGood atomic.Pointer[[]byte]

func check(text []byte) error {
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("GoBGP's configuration is not JSON: %w", err)
	}
	c := &checker{root: section{value: root}}
	c.types(root, reflect.TypeFor[oc.BgpConfigSet](), "")
	if len(c.errs) > 0 {
		return errors.Join(c.errs...) // the rest relies on the types
	}
	runtime.Gosched() // routes that come meanwhile go first; of thousands of VRFs each part takes milliseconds
	c.global()
	c.peerGroups()
	c.vrfs()
	c.neighbors()
	c.dynamicNeighbors()
	policies := policyChecker{c}
	policies.policies()
	policies.obeyed()
	c.unsupported()
	if len(c.errs) == 0 {
		runtime.Gosched()
		c.whole(text)
	}
	return errors.Join(c.errs...)
}

// whole has GoBGP read the configuration, and make its policies.
func (c *checker) whole(text []byte) {
	refuse := func(err error) { c.errs = append(c.errs, fmt.Errorf("GoBGP refuses the configuration: %w", err)) }
	placed, _, err := place(text, standIns())
	if err != nil {
		refuse(err)
		return
	}
	set, err := parse(placed)
	if err != nil {
		refuse(err)
		return
	}
	read := &Config{Set: *set}
	c.toldApart(partiesOf(read))
	var undecided *undecidedError
	switch err := addRules(read); {
	case errors.As(err, &undecided):
		c.fail(c.whereListed(undecided), "%w", err)
	case err != nil:
		refuse(err)
	default:
		if err := rehearse(&read.Set); err != nil {
			refuse(fmt.Errorf("its policies cannot be made: %w; look at policy-definitions and defined-sets", err))
		}
	}
}

// toldApart refuses neighbours with one address on two links that have policies of their
// own each: GoBGP judges by the address, which has no zone there.
func (c *checker) toldApart(all parties) {
	for i, n := range c.root.each("neighbors") {
		config := n.at("config")
		addr, err := netip.ParseAddr(config.text("neighbor-address"))
		if err != nil || addr.Zone() == "" {
			continue
		}
		mine, ok := all.named(addr.String())
		for _, other := range c.root.each("neighbors")[:i] {
			theirs, is := all.named(other.at("config").text("neighbor-address"))
			if ok && is && theirs.prefix == mine.prefix && !mine.judgedAs(theirs) {
				c.fail(config.key("neighbor-address"), "%s has the same address on another link and other policies, and GoBGP judges routes by the address alone: give both the same apply-policy, or one of them another address", theirs.name)
			}
		}
	}
}

// whereListed finds the first neighbour or peer group with a list of policies.
func (c *checker) whereListed(e *undecidedError) string {
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, s := range c.root.each(list) {
			a := s.at("apply-policy", "config")
			if slices.Equal(a.texts(e.way.key), e.list) {
				return a.key(e.way.key)
			}
		}
	}
	return "policy-definitions"
}

// checker looks for the errors of one configuration.
type checker struct {
	findings
	root section
}

// findings gathers errors, each with the path of its key.
type findings struct {
	errs     []error
	sections map[reflect.Type]map[string]reflect.Type // see typesOf
}

func (f *findings) fail(path, format string, args ...any) {
	if path == "" {
		path = "the configuration"
	}
	f.errs = append(f.errs, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}
