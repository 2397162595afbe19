package conf

import (
	"errors"
	"unsafe" // for go:linkname too

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
)

// Where one policy of a configuration is wrong, GoBGP drops all of them with a line in its
// log, and takes and sends every route. So what it would be given is made into policies
// once before, apart from those that are in force.

// PoliciesOfAPI renders policies as messages of GoBGP's API: the conversion is internal to
// GoBGP, and the one function around it, config.UpdateConfig, has all routes of all
// neighbours judged anew, whatever changed, and drops the policies of other clients.
//
//go:linkname PoliciesOfAPI github.com/osrg/gobgp/v3/internal/pkg/table.NewAPIRoutingPolicyFromConfigStruct
func PoliciesOfAPI(c *oc.RoutingPolicy) (*api.RoutingPolicy, error)

// PoliciesFromAPI is the way back.
//
//go:linkname PoliciesFromAPI github.com/osrg/gobgp/v3/pkg/server.newRoutingPolicyFromApiStruct
func PoliciesFromAPI(r *api.SetPoliciesRequest) (*oc.RoutingPolicy, error)

//go:linkname newRoutingPolicy github.com/osrg/gobgp/v3/internal/pkg/table.NewRoutingPolicy
func newRoutingPolicy(logger log.Logger) unsafe.Pointer

//go:linkname resetPolicies github.com/osrg/gobgp/v3/internal/pkg/table.(*RoutingPolicy).Reset
func resetPolicies(r unsafe.Pointer, to *oc.RoutingPolicy, assigned map[string]oc.ApplyPolicy) error

// GlobalTable is GoBGP's name of its global table.
const GlobalTable = "global"

// MakePolicies makes GoBGP's policies, and puts nothing in force: a *table.RoutingPolicy.
func MakePolicies(logger log.Logger, of *oc.RoutingPolicy, assigned map[string]oc.ApplyPolicy) (unsafe.Pointer, error) {
	r := newRoutingPolicy(logger)
	if err := resetPolicies(r, of, assigned); err != nil {
		return nil, err
	}
	neighborsFirst(r)
	leastPreferred(r)
	return r, nil
}

// rehearse makes the policies of a configuration the way that they are given to GoBGP.
func rehearse(set *oc.BgpConfigSet) error {
	rendered, err := PoliciesOfAPI(oc.ConfigSetToRoutingPolicy(set))
	if err != nil {
		return err
	}
	given, err := PoliciesFromAPI(&api.SetPoliciesRequest{DefinedSets: rendered.GetDefinedSets(), Policies: rendered.GetPolicies()})
	if err != nil {
		return err
	}
	var said said
	_, err = MakePolicies(&said, given, map[string]oc.ApplyPolicy{GlobalTable: set.Global.ApplyPolicy})
	return errors.Join(err, said.err)
}

// said is a logger for GoBGP that keeps the last error: of an assignment it says that
// alone in its log.
type said struct{ err error }

func (s *said) keep(msg string, fields log.Fields) {
	if err, is := fields["Error"].(error); is {
		s.err = err
		return
	}
	s.err = errors.New(msg)
}

func (s *said) Panic(msg string, f log.Fields) { s.keep(msg, f) }
func (s *said) Fatal(msg string, f log.Fields) {} // the error is returned too
func (s *said) Error(msg string, f log.Fields) { s.keep(msg, f) }
func (*said) Warn(string, log.Fields)          {}
func (*said) Info(string, log.Fields)          {}
func (*said) Debug(string, log.Fields)         {}
func (*said) SetLevel(log.LogLevel)            {}
func (*said) GetLevel() log.LogLevel           { return log.ErrorLevel }
