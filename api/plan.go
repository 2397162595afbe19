package api

import (
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// ErrBusy is matched by the error of a Backend that is already working out a plan.
var ErrBusy = errors.New("another plan is being made, and there is one at a time; ask again when it is done")

// FileError is the error of a Backend about a configuration file, in words that
// name the file.
type FileError struct{ Err error }

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// planBatch is how many lines of a plan are sent together.
const planBatch = 256

// Plan streams what a file would change.
func (s *reloads) Plan(r *vrfredistv1.PlanRequest, stream grpc.ServerStreamingServer[vrfredistv1.PlanItem]) error {
	switch {
	case r.GetFile() == "":
		return invalid("file", "is empty; send the name of the file, of which the extension tells the format")
	case len(r.GetContent()) == 0:
		return invalid("content", "is empty; send what the file holds")
	case r.GetLines() < -1:
		return invalid("lines", "%d is no number of lines; send -1 for all", r.GetLines())
	}
	request := vrf.PlanRequest{File: r.GetFile(), Content: r.GetContent(), VRF: r.GetVrf(), Lines: int(r.GetLines())}
	var lines []*vrfredistv1.PlanItem // which go together: there may be millions
	send := func() error {
		err := sendWithin(stream, s.pace.patience, lines...)
		lines = lines[:0]
		return err
	}
	err := s.view(stream.Context()).Plan(stream.Context(), request, func(item vrf.PlanItem) error {
		lines = append(lines, planMessage(item))
		switch item.Kind {
		case vrf.PlanRoute, vrf.PlanAnnouncement, vrf.PlanTold:
			if len(lines) < planBatch {
				return nil
			}
		}
		return send()
	})
	if late := send(); err == nil {
		err = late
	}
	var file *FileError
	switch {
	case errors.As(err, &file):
		return status.Error(codes.FailedPrecondition, err.Error())
	case errors.Is(err, ErrBusy):
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	return s.view(stream.Context()).failed(r.GetVrf(), err)
}

func planMessage(i vrf.PlanItem) *vrfredistv1.PlanItem {
	m := &vrfredistv1.PlanItem{
		Kind: string(i.Kind), Op: i.Op.String(), Vrf: i.VRF, Text: i.Text, Details: i.Details, Notes: i.Notes, Neighbor: i.Neighbor,
	}
	if i.Prefix.IsValid() {
		m.Prefix = i.Prefix.String()
	}
	if i.Kind == vrf.PlanRoute {
		m.Where = i.Where.String()
	}
	if t := i.Totals; t != nil {
		m.Counts = &vrfredistv1.PlanCounts{
			Added: uint32(t.Added), Removed: uint32(t.Removed), Changed: uint32(t.Changed), Kept: uint32(t.Kept),
			Announced: uint32(t.Announced), Withdrawn: uint32(t.Withdrawn), Reannounced: uint32(t.Reannounced),
			Unlisted: uint32(t.Unlisted), Vrfs: uint32(t.VRFs), Neighbors: uint32(t.Neighbors), Settings: uint32(t.Settings),
			Told: uint32(t.Told.Announced), Untold: uint32(t.Told.Withdrawn), Retold: uint32(t.Told.Changed),
		}
	}
	return m
}
