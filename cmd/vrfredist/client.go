package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/api/client"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

const defaultAPI = client.DefaultAddress

// answerTimeout is longer than the daemon waits for a worker that has to take
// its routes out.
const answerTimeout = time.Minute

// ask connects to the daemon, has call ask it, and puts what goes wrong into
// words that say what to do.
func (c *cli) ask(cmd *cobra.Command, call func(context.Context, vrfredistv1.RedistributionClient) error) error {
	named := "--api"
	if c.api == "" {
		named = "VRFREDIST_API"
	}
	c.api = cmp.Or(c.api, os.Getenv("VRFREDIST_API"), defaultAPI)
	network, address, err := client.ParseAddress(c.api)
	if err != nil {
		return &usageError{cmd, fmt.Errorf("%s %w", named, err)}
	}
	secured, err := c.tls.config(network, address)
	if err != nil {
		return &usageError{cmd, err}
	}
	conn, err := client.Dial(client.Options{Address: c.api, TLS: secured})
	if err != nil {
		return err
	}
	err = call(cmd.Context(), conn)
	if why := conn.DialFailure(); why != nil && status.Code(err) == codes.Unavailable {
		err = unreachable(c.api, why)
	} else if why := tlsFailure(c.api, err, secured != nil); why != nil {
		err = why
	} else {
		err = c.explain(err)
	}
	return errors.Join(err, conn.Close())
}

// once is the context of a call that has one answer.
func once(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, answerTimeout)
}

// notRunningError says that nobody answers at an address.
type notRunningError struct{ api string }

func (e notRunningError) Error() string {
	return fmt.Sprintf("vrfredist is not running at %s: start it with `vrfredist run -f FILE`, or name its address with --api", e.api)
}

func unreachable(api string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return notRunningError{api}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not speak to vrfredist at %s: use sudo, or join the group that owns the socket", api)
	}
	return fmt.Errorf("vrfredist cannot be reached at %s: %w: name its address with --api", api, err)
}

// explain turns a gRPC error into a message for a person, who has flags and
// arguments where the API has fields.
func (c *cli) explain(err error) error {
	if err == nil {
		return nil
	}
	// Not status.FromError: of a wrapped error it makes grpc's own text.
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) {
		return err
	}
	st := carrier.GRPCStatus()
	switch st.Code() {
	case codes.Unimplemented:
		return fmt.Errorf("what answers at %s is another program, or a vrfredist of another version: %s", c.api, st.Message())
	case codes.DeadlineExceeded:
		return errors.New("vrfredist did not answer in time: what was asked may still come into force; see `vrfredist vrf`")
	case codes.ResourceExhausted:
		// What gRPC says of a request over message_size has no other mark.
		if strings.Contains(st.Message(), "received message larger than max") {
			return fmt.Errorf("what was sent is more than vrfredist takes (%s): make it smaller, or raise message_size under [netlink.api.limits] and restart the daemon", st.Message())
		}
	case codes.Unavailable:
		return fmt.Errorf("vrfredist at %s is ending, or has ended while it was asked: %s", c.api, st.Message())
	}
	for _, detail := range st.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) > 0 {
			v := bad.GetFieldViolations()[0]
			return fmt.Errorf("%s: %s", flagOf(v.GetField()), v.GetDescription())
		}
	}
	return errors.New(st.Message())
}

func flagOf(field string) string {
	switch field {
	case "interfaces":
		return "IFACE"
	case "community_name":
		return "--community"
	case "community_list":
		return "--community-list"
	case "large_community_list":
		return "--large-community-list"
	case "confirm_seconds":
		return "--confirm"
	case "prefix":
		return "--prefix"
	case "states":
		return "--state"
	case "target":
		return "PREFIX"
	}
	return field
}

// printJSON prints one document. Messages in it must be marshalled already.
func printJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(document)
}

func (c *cli) printMessage(m proto.Message) error {
	raw, err := marshal(m)
	if err != nil {
		return err
	}
	return printJSON(c.out, raw)
}

// completeVRF offers the names of the VRFs that run; none where no daemon does.
func (c *cli) completeVRF(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && cmd.Name() == "vrf" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	_ = c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		list, err := client.ListVrfs(ctx, &vrfredistv1.ListVrfsRequest{})
		for _, v := range list.GetVrfs() {
			names = append(names, v.GetName())
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
