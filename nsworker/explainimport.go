package nsworker

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// facts are what a worker knows of one prefix, taken out of its loop: everything
// in it is immutable, or a copy.
type facts struct {
	prefix netip.Prefix
	// confined: what is of other VRFs is not to be told.
	confined bool
	spec     vrf.Spec
	absent   string // why there is no table; "": there is one
	read     bool

	heard

	entry   route
	known   bool // there is an entry
	reason  string
	set     nexthop.Set
	spare   *rib.Route // the backup route in the table; nil: there is none
	changes int        // routes that are due
	wanted  int        // places of the quota that are taken

	onlooker     onlooker
	view         rib.View
	mine         *rib.OwnPrefixes
	board        *Board
	announced    rib.Announcement
	isAnnounced  bool
	announcesDue bool
}

// heard is what BGP has of the prefix.
type heard struct {
	candidates []rib.Path    // with whatever route targets
	unasked    error         // why BGP did not say which
	refused    []rib.Refusal // what neighbours announced and BGP did not take
	offers     []rib.Offer   // what they sent, and BGP's policies did not take
	ours       rib.Path      // what BGP has of the VRF's own import; without Attrs: nothing
	paths      []rib.Path    // in the feed
	waiting    int           // prefixes that wait in the feed
	byRules    []heardByRule // what of other VRFs the leaks of this one are about
	telling    rib.Telling
	untold     error                                                           // why BGP did not say what neighbours are told
	link       func(peer netip.Addr) (netns, device string, inside netip.Addr) // of Deps
}

// plural renders a number of things.

// explainImport walks a prefix from the kernel to BGP.
func (f *facts) explainImport(w *rib.Walk) {
	var t rib.Trace
	rib.DecideImport(importing(f.spec).LookingOn(), f.view, f.prefix, f.standing, &t)
	for _, s := range t.Steps {
		switch s.Place {
		case rib.AtImport:
			tell(w, "import", s, "import is on for this VRF, from "+strings.Join(f.spec.Import.Interfaces, ", "))
			if f.absent != "" {
				return
			}
		case rib.AtKernelRoute:
			f.explainKernelRoute(w, s, t.Routes)
		case rib.AtRules:
			tell(w, "rules", s, "every rule lets it through", lines(t.Routes, f.ruled)...)
		case rib.AtImportPolicy:
			hearings{f}.kernelRoutes(w, s, t.Routes)
		}
	}
	f.explainAnnouncement(w)
}

func (f *facts) explainKernelRoute(w *rib.Walk, s rib.TraceStep, routes []rib.JudgedRoute) {
	if len(routes) == 0 && f.entry.Have != nil {
		w.Add("kernel route", s.Outcome, "the table has only our own route for it, which came from BGP")
		return
	}
	tell(w, "kernel route", s, "the table has "+plural(len(routes), "route")+" other than ours",
		lines(routes, func(r rib.JudgedRoute) string { return f.line(r) + " (" + f.owner(r.Route) + ")" })...)
}

// ruled says whether a route is announced, and else why not.
func (f *facts) ruled(r rib.JudgedRoute) string {
	if r.Reason.Cause == rib.Accepted {
		return f.line(r) + ": taken"
	}
	return f.line(r) + ": left out: " + r.Reason.String()
}

// standing implements rib.Standing for the prefix in question.
func (f *facts) standing(netip.Prefix) (metric uint32, is bool) {
	if f.entry.Have == nil {
		return 0, false
	}
	return f.entry.Have.Metric, true
}

func (f *facts) line(r rib.JudgedRoute) string {
	line := flat(r.Route.Format(f.view.Links))
	if r.Table != 0 {
		line += fmt.Sprintf(" table %d", r.Table)
	}
	return line
}

func (f *facts) explainAnnouncement(w *rib.Walk) {
	switch {
	case f.announcesDue:
		w.Add("announcement", rib.Stopped, "what BGP has is out of date; the change is due")
	case f.isAnnounced && f.ours.Attrs == nil && f.unasked == nil:
		w.Add("announcement", rib.Stopped, "it was handed to BGP with "+f.announced.Terms()+", and BGP does not have it: a global import policy rejects it, or it is on its way")
	case f.isAnnounced:
		now := f.announced
		if a := f.ours.Attrs; a != nil {
			now = rib.AnnouncementOf(&f.ours)
		}
		w.Add("announcement", rib.Passed, "BGP has it, with "+now.Terms())
	default:
		w.Add("announcement", rib.Noted, "nothing is announced for it")
	}
}

// hearings are what policies made of what a worker knows of a prefix.
type hearings struct{ *facts }

// paths says what a policy on the way to the kernel made of each path.
func (f hearings) paths(w *rib.Walk, name string, s rib.TraceStep, judged []rib.JudgedPath) {
	accepted, asked, text := 0, 0, ""
	var details []string
	for i := range judged {
		p := &judged[i]
		if p.At != s.Place {
			continue
		}
		if asked++; !p.Rejected {
			accepted++
		}
		details = append(append(details, f.show(p.Path)), indented(p.Lines())...)
		text = fmt.Sprintf("policy %q accepts %d of %s", p.Policy, accepted, plural(asked, "path"))
	}
	tell(w, name, s, text, details...)
}

// kernelRoutes says what the policy of the import made of the routes that it was asked
// about.
func (f hearings) kernelRoutes(w *rib.Walk, s rib.TraceStep, routes []rib.JudgedRoute) {
	accepted, asked, name := 0, 0, ""
	var details []string
	for _, r := range routes {
		if r.Heard == nil {
			continue
		}
		asked++
		name = r.Heard.Policy
		if !r.Heard.Rejected {
			accepted++
		}
		details = append(append(details, f.line(r)), indented(r.Heard.Lines())...)
	}
	tell(w, "policy", s, fmt.Sprintf("policy %q accepts %d of %s", name, accepted, plural(asked, "route")), details...)
}

// advertised says where neighbours are not told of what BGP has.
func (f hearings) advertised(w *rib.Walk, judged []rib.JudgedPath) {
	x, rejected := &f.spec.Export, 0
	for i := range judged {
		p := &judged[i]
		if p.At == rib.AtPolicy && p.Rejected && (telling{of: f.spec.Of()}).are(&p.Path) {
			rejected++
		}
	}
	switch {
	case !x.Enabled || f.spec.VRF != "" || len(f.facts.paths) == 0:
	case x.AdvertiseInstalled && !f.entry.Note.past.confirmed():
		w.Add("advertised", rib.Noted, `neighbours are told of no path that this VRF's neighbours sent: advertise is "installed", and `+f.unconfirmed())
	case rejected > 0 && !x.AdvertiseRejected:
		w.Add("advertised", rib.Noted, "neighbours are not told of "+plural(rejected, "path")+" that the policy rejects; with advertise_rejected = true they are")
	}
}

// unconfirmed says why a prefix is not confirmed.
func (f hearings) unconfirmed() string {
	if have := f.entry.Have; have != nil {
		if other, is := f.view.Foreign.Before(f.prefix, have.Metric); is {
			return fmt.Sprintf("the kernel forwards by another program's route, which has the lower metric %d", other.Metric)
		}
	}
	return "the kernel does not have the route"
}

func indented(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "  " + l
	}
	return out
}
