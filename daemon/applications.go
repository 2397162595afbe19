package daemon

import (
	"context"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// applications change VRFs and neighbours over the API. They are a part of the api.Backend.
type applications struct {
	changer *changer
	layers  *layering
	planner *planner
	turns   *turns
}

// Apply implements api.Backend. What has begun is finished, whoever goes away meanwhile.
func (a *applications) Apply(ctx context.Context, r vrf.ApplyRequest) (generation uint64, err error) {
	e := &edit{key: r.Key, over: func(now *config.Config, was *config.Layers) (*config.Layers, error) {
		return config.Applying(now, was, a.layers.file, r)
	}}
	err = a.turns.take(ctx, e)
	return e.generation, err
}

// PlanApply implements api.Backend: it says what Apply would change, and changes nothing.
func (a *applications) PlanApply(ctx context.Context, r vrf.ApplyRequest, yield func(vrf.PlanItem) error) error {
	return a.planner.alone(ctx, vrf.PlanRequest{File: a.layers.file, Lines: -1}, yield, func() (*config.Config, error) {
		now := a.planner.force.config()
		_, next, err := a.layers.applying(now, r)
		if err != nil || next == nil {
			return now, err
		}
		return a.planner.numbered(next)
	})
}

// Delete implements api.Backend.
func (a *applications) Delete(ctx context.Context, r vrf.DeleteRequest) (below bool, err error) {
	e := &edit{key: r.Key, deletes: true, over: func(now *config.Config, was *config.Layers) (next *config.Layers, err error) {
		next, below, err = config.Deleting(now, was, a.layers.file, r)
		return next, err
	}}
	err = a.turns.take(ctx, e)
	return below, err
}

// Applied implements api.Backend.
func (a *applications) Applied() []vrf.Layer { return a.layers.applied(a.changer.force.config()) }

// Made implements api.Backend.
func (a *applications) Made(name string) bool {
	return a.changer.force.config().Made(vrf.LayerKey{Name: name})
}
