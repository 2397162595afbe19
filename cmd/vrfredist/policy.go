package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// policyCommands has the command policy.
type policyCommands struct{ *cli }

func (c policyCommands) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy [NAME] [--no-pager] [--json]",
		Short: "Show the policies, or how often each rule of one matched",
		Long: `Shows a line for each policy of [[netlink.policies]], or the rules of one: what each
looks at, what it changes, what follows, and how often it matched since the policy
is in force. Counted is each time that a route was judged: one that is judged again,
because a link or a nexthop changed, counts again. What nobody acts on, such as
"explain" and "plan", is not counted, nor is what GoBGP judges: what neighbours send
and are told (import-policy-list and export-policy-list), and what goes out of a VRF
(bgp.send). Which uses those are is said below the rules.`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused(cmd, "%q is too much: name one policy, or none for all", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				if len(args) == 1 {
					return c.one(ctx, client, args[0])
				}
				return c.all(ctx, client)
			})
		},
	}
	cmd.ValidArgsFunction = completePolicy(c.cli)
	c.printsJSON(cmd)
	c.pages(cmd)
	return cmd
}

func (c policyCommands) all(ctx context.Context, client vrfredistv1.RedistributionClient) error {
	r, err := client.ListPolicies(ctx, &vrfredistv1.ListPoliciesRequest{})
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printMessage(r)
	}
	t := newTable(c.out, "POLICY", "RULES>", "DEFAULT", "MATCHED>", "USED BY")
	for _, p := range r.GetPolicies() {
		var matched uint64
		for _, rule := range p.GetRules() {
			matched += rule.GetMatched()
		}
		last := max(0, len(p.GetRules())-1)
		fallback := ""
		if len(p.GetRules()) > 0 {
			fallback = p.GetRules()[last].GetAction()
		}
		err := t.row(p.GetName(), strconv.Itoa(last), cell(fallback), strconv.FormatUint(matched, 10), cell(usesText(p)))
		if err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil || !slices.ContainsFunc(r.GetPolicies(), func(p *vrfredistv1.Policy) bool { return uncounted(p) != "" }) {
		return err
	}
	return printFolded(c.out, "MATCHED has nothing of what GoBGP judges; vrfredist policy NAME says where that is.")
}

func (c policyCommands) one(ctx context.Context, client vrfredistv1.RedistributionClient, name string) error {
	r, err := client.GetPolicy(ctx, &vrfredistv1.GetPolicyRequest{Name: name})
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printMessage(r)
	}
	p := r.GetPolicy()
	if _, err := fmt.Fprintf(c.out, "Policy   %s\nUsed by  %s\n\n", p.GetName(), cell(usesText(p))); err != nil {
		return err
	}
	t := newTable(c.out, "MATCHED>", "RULE", "WHERE", "SETS", "THEN")
	for _, rule := range p.GetRules() {
		where := strings.Join(rule.GetConditions(), ", ")
		if where == "" && rule.GetTitle() != "default" {
			where = "anything"
		}
		err := t.row(strconv.FormatUint(rule.GetMatched(), 10), rule.GetTitle(), cell(where), cell(strings.Join(rule.GetChanges(), ", ")), rule.GetAction())
		if err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err = fmt.Fprint(c.out, uncounted(p))
	return err
}

// uncounted says which uses of a policy are in no counter, and why; "": all are.
func uncounted(p *vrfredistv1.Policy) string {
	var text strings.Builder
	for _, u := range p.GetUses() {
		if u.GetUncounted() != "" {
			fmt.Fprintf(&text, "Not counted: %s: %s.\n", useText(u), u.GetUncounted())
		}
	}
	return text.String()
}

// usesText says where a policy is asked: "export.policy of VRF tenant-a".
func usesText(p *vrfredistv1.Policy) string {
	var parts []string
	for _, u := range p.GetUses() {
		parts = append(parts, useText(u))
	}
	return strings.Join(parts, ", ")
}

func useText(u *vrfredistv1.PolicyUse) string {
	if u.GetVrf() == "" {
		return u.GetPlace()
	}
	return u.GetPlace() + " of VRF " + u.GetVrf()
}
