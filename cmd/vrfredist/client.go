package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

const defaultAPI = "unix:///run/vrfredist/vrfredist.sock"

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
	network, address, err := parseAPI(c.api)
	if err != nil {
		return &usageError{cmd, fmt.Errorf("%s %w", named, err)}
	}
	creds, err := c.tls.credentials(network, address)
	if err != nil {
		return &usageError{cmd, err}
	}
	// grpc turns the dialler's error into text, and the reason matters here.
	var dialling atomic.Pointer[error]
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			dialling.Store(&err)
		}
		return conn, err
	}
	conn, err := grpc.NewClient("passthrough:///vrfredist",
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestAnswer)), grpc.WithTransportCredentials(creds), grpc.WithContextDialer(dial))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.api, err)
	}
	err = call(cmd.Context(), vrfredistv1.NewRedistributionClient(conn))
	if why := dialling.Load(); why != nil && status.Code(err) == codes.Unavailable {
		err = unreachable(c.api, *why)
	} else if why := tlsFailure(c.api, err, creds); why != nil {
		err = why
	} else {
		err = c.explain(err)
	}
	return errors.Join(err, conn.Close())
}

// largestAnswer bounds one message of the daemon: of some ten thousand VRFs.
const largestAnswer = 64 << 20

// once is the context of a call that has one answer.
func once(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, answerTimeout)
}

// parseAPI takes unix:///PATH, unix:PATH, a plain absolute path, or HOST:PORT.
func parseAPI(s string) (network, address string, err error) {
	if path, unix := strings.CutPrefix(s, "unix:"); unix || strings.HasPrefix(s, "/") {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return "", "", fmt.Errorf("%q: the path is missing; write unix:///PATH", s)
		}
		return "unix", path, nil
	}
	if _, _, err := net.SplitHostPort(s); err != nil {
		return "", "", fmt.Errorf("%q: is no address; write unix:///PATH or HOST:PORT", s)
	}
	return "tcp", s, nil
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

// marshal renders a message as compact JSON with the names of the .proto, every
// field present. protojson varies its white space on purpose.
func marshal(m proto.Message) (json.RawMessage, error) {
	raw, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, raw)
	return b.Bytes(), err
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
