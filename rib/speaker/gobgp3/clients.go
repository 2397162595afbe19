package gobgp3

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// effect says which things of a configuration a method of GoBGP's API can change.
type effect uint8

const (
	readsOnly effect = iota + 1
	elsewhere        // it changes things of no configuration, or of which no reading is kept
	ofVRFs
	ofNeighbors
	ofGroups
	ofDynamic
	ofPolicies
	ofPaths
	ofAll // it takes the ground away
)

// kindsOf are the differences that an effect can make.
var kindsOf = map[effect][]speaker.Kind{
	ofVRFs:      {speaker.KindVRF},
	ofNeighbors: {speaker.KindNeighbor},
	ofGroups:    {speaker.KindGroup, speaker.KindDynamic, speaker.KindNeighbor},
	ofDynamic:   {speaker.KindDynamic},
	ofPolicies:  {speaker.KindSet, speaker.KindPolicy, speaker.KindAssignment},
}

// effects are the effects of every method of GoBGP's API that changes something.
var effects = map[string]effect{
	"StartBgp": ofAll, "StopBgp": ofAll,
	"AddPeer": ofNeighbors, "DeletePeer": ofNeighbors, "UpdatePeer": ofNeighbors,
	"ShutdownPeer": ofNeighbors, "EnablePeer": ofNeighbors, "DisablePeer": ofNeighbors, "ResetPeer": elsewhere,
	"AddPeerGroup": ofGroups, "DeletePeerGroup": ofGroups, "UpdatePeerGroup": ofGroups,
	"AddDynamicNeighbor": ofDynamic, "DeleteDynamicNeighbor": ofDynamic,
	"AddPath": ofPaths, "DeletePath": ofPaths, "AddPathStream": ofPaths,
	"AddVrf": ofVRFs, "DeleteVrf": ofVRFs,
	"AddPolicy": ofPolicies, "DeletePolicy": ofPolicies, "SetPolicies": ofPolicies,
	"AddDefinedSet": ofPolicies, "DeleteDefinedSet": ofPolicies, "AddStatement": ofPolicies, "DeleteStatement": ofPolicies,
	"AddPolicyAssignment": ofPolicies, "DeletePolicyAssignment": ofPolicies, "SetPolicyAssignment": ofPolicies,
	"AddRpki": elsewhere, "DeleteRpki": elsewhere, "EnableRpki": elsewhere, "DisableRpki": elsewhere, "ResetRpki": elsewhere,
	"EnableZebra": elsewhere, "EnableMrt": elsewhere, "DisableMrt": elsewhere, "AddBmp": elsewhere, "DeleteBmp": elsewhere,
	"SetLogLevel": elsewhere,
}

// effectOf returns what a method, written /package.Service/Method, can change.
func effectOf(method string) effect {
	name, gobgps := strings.CutPrefix(method, "/apipb.GobgpApi/")
	if !gobgps {
		return readsOnly
	}
	if e := effects[name]; e != 0 {
		return e
	}
	return readsOnly // Get…, List…, Watch…: a test holds that there is no other
}

// clients judges the calls of other clients of GoBGP's API, and notes their effects.
type clients struct {
	*embedded
	sessions  *sessions
	guarding  *guarding
	listening *listening
	mender    *mender
	out       *outgoing
	whole     *wholeTables
	drift     *drift
	stops     *stops
	who       func(ctx context.Context) string // Options.Who
	serves    func(vrf string) bool            // Options.Serves
	startedBy string                           // who or what said with which AS BGP runs
}

// call makes a unary call of another client to GoBGP's API: it refuses what would
// take the ground from under the configuration, lets no change come between the steps
// of a reload, and sees what the change did. by is who calls, as it stands in a log.
func (c *clients) call(ctx context.Context, method string, request any, by string, do func() (any, error)) (any, error) {
	e := effectOf(method)
	if e == readsOnly || e == elsewhere {
		return do()
	}
	if err := c.waitStarted(ctx); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	if e == ofPaths {
		defer c.passed(method, request, by)
		return do()
	}
	answer, err := stopping(c, request, by, func() (any, error) { return c.alone(method, request, do) })
	if e == ofNeighbors {
		c.heedDelete(ctx, request)
	}
	c.passed(method, request, by)
	return answer, err
}

// alone makes a call while nothing else changes the configuration.
func (c *clients) alone(method string, request any, do func() (any, error)) (answer any, err error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.refuse(method, request); err != nil {
		return nil, err
	}
	r, deletes := request.(*api.DeleteVrfRequest)
	if !deletes {
		return do()
	}
	err = c.out.unlabelled(r.GetName(), func() (err error) {
		answer, err = do()
		return err
	})
	return answer, err
}

// passed notes what another client of the API asked GoBGP for and was given, be it in
// part: a request of a unary call, or one message of a stream.
func (c *clients) passed(method string, request any, by string) {
	switch e := effectOf(method); e {
	case readsOnly, elsewhere:
	case ofPaths:
		if lost := c.mender.lostBy(request); len(lost) > 0 {
			c.mender.note(lost)
			c.drift.note(touch{e, "", by, time.Now()})
		}
	default:
		name := nameIn(request)
		if e == ofVRFs {
			c.mender.note(scope{name: nil})
		}
		c.drift.note(touch{e, name, by, time.Now()})
	}
}

// nameIn is the name of the VRF or neighbour that a request is about; "": of none, or
// several.
func nameIn(request any) string {
	switch r := request.(type) {
	case interface{ GetVrf() *api.Vrf }:
		return r.GetVrf().GetName()
	case *api.DeleteVrfRequest:
		return r.GetName()
	case interface{ GetPeer() *api.Peer }:
		return bareName(r.GetPeer().GetConf().GetNeighborAddress())
	case interface{ GetAddress() string }:
		return bareName(r.GetAddress())
	}
	return ""
}

// bareName is a neighbour's address as GoBGP writes it; "": it is no address, but
// stands for all neighbours, or for one by its interface.
func bareName(text string) string {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return addr.String()
}

// unary is around every unary method of GoBGP's API.
func (c *clients) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return c.call(ctx, info.FullMethod, request, c.caller(ctx), func() (any, error) { return handle(ctx, request) })
}

// stream is around every stream of GoBGP's API.
func (c *clients) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if effectOf(info.FullMethod) != ofPaths {
		return handle(srv, stream)
	}
	by := c.caller(stream.Context())
	w := &watchedStream{ServerStream: stream, passed: func(m any) { c.passed(info.FullMethod, m, by) }}
	defer w.done()
	return handle(srv, w)
}

// watchedStream tells of each message once GoBGP is done with it: when it asks for
// the next one, or ends.
type watchedStream struct {
	grpc.ServerStream
	passed func(any)
	last   any
}

// RecvMsg implements grpc.ServerStream.
func (w *watchedStream) RecvMsg(m any) error {
	w.done()
	err := w.ServerStream.RecvMsg(m)
	if err == nil {
		w.last = m
	}
	return err
}

func (w *watchedStream) done() {
	if w.last != nil {
		w.passed(w.last)
		w.last = nil
	}
}

// caller returns who is at the other end of a call.
func (c *clients) caller(ctx context.Context) string {
	if c.who != nil {
		return c.who(ctx)
	}
	return "another client of the API"
}

// refuse says why a call is not made. The caller holds changing.
func (c *clients) refuse(method string, request any) error {
	now := c.inForce()
	serves := func(vrf string) bool {
		_, configured := now.VRF(vrf)
		return configured && (c.serves == nil || c.serves(vrf))
	}
	if err := refusal(now, c.startedBy, serves, method, request); err != nil {
		return err
	}
	// GoBGP takes a peer group that it does not have for one, and ends.
	var group string
	switch r := request.(type) {
	case *api.AddDynamicNeighborRequest:
		group = r.GetDynamicNeighbor().GetPeerGroup()
	case *api.DeleteDynamicNeighborRequest:
		group = r.GetPeerGroup()
	default:
		return nil
	}
	if !c.hasGroup(group) {
		return status.Errorf(codes.NotFound, "BGP has no peer group %q: add it first", group)
	}
	return nil
}

// refusal says why a call would take the ground from under a configuration, or nil.
// Every other change is either seen and told, or of things that no configuration names.
func refusal(c *conf.Config, startedBy string, serves func(vrf string) bool, method string, request any) error {
	switch method[strings.LastIndexByte(method, '/')+1:] {
	case "StartBgp":
		return status.Errorf(codes.FailedPrecondition, "BGP runs already, as AS %d with router ID %s, %s, and starting it anew would take every route away: restart vrfredist to have it otherwise", c.Set.Global.Config.As, c.Set.Global.Config.RouterId, startedBy)
	case "StopBgp":
		return status.Error(codes.FailedPrecondition, "BGP ends with vrfredist alone, which decides what becomes of the kernel's routes: end it by its service manager (`systemctl stop vrfredist`) or by SIGTERM; for one neighbour there is `gobgp neighbor ADDRESS disable`")
	case "DeleteVrf":
		if r, ok := request.(*api.DeleteVrfRequest); ok && serves(r.GetName()) {
			return status.Errorf(codes.FailedPrecondition, "VRF %q is of vrfredist's configuration, and its routes are in a kernel table: take it out of the file and run `vrfredist reload`, or end its redistribution (`vrfredist redistribution disable`) first", r.GetName())
		}
	case "SetPolicies":
		if hasPolicies(c) {
			return status.Error(codes.FailedPrecondition, "SetPolicies would replace every policy, those that keep NO_EXPORT and those of vrfredist's configuration file among them: change the file and run `vrfredist reload`, or add and delete policies one by one (AddDefinedSet, AddPolicy, AddPolicyAssignment), which leaves the file's alone")
		}
	}
	return nil
}

// hasPolicies tells whether a configuration judges routes at all.
func hasPolicies(c *conf.Config) bool {
	a := c.Set.Global.ApplyPolicy.Config
	return len(c.Set.PolicyDefinitions)+reload.Sets(c.Set.DefinedSets)+len(a.ImportPolicyList)+len(a.ExportPolicyList) > 0
}

// stopping makes a call of another client. That it disables a neighbour is kept before, and that
// it enables one afterwards.
func stopping(c *clients, request any, by string, call func() (any, error)) (any, error) {
	switch r := request.(type) {
	case *api.DisablePeerRequest:
		one := &rib.Disabled{By: by, Reason: r.GetCommunication(), Since: time.Now()}
		if err := c.stops.put(r.GetAddress(), one); err != nil {
			return nil, status.Error(codes.Unavailable, err.Error())
		}
		answer, err := call()
		if err != nil {
			err = errors.Join(err, c.stops.put(r.GetAddress(), nil))
		}
		return answer, err
	case *api.EnablePeerRequest:
		answer := any(new(emptypb.Empty))
		err := c.stops.enable(r.GetAddress(), func() (err error) {
			was, err := call()
			if err == nil {
				answer = was
			}
			return err
		})
		return answer, err
	}
	return call()
}
