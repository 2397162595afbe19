# The newest BIRD and FRR that Debian has, as peers of the tests beside the host's own.
#
#   include integration/peers/peers.mk

PEERS_FETCH := $(CURDIR)/.cache/peers/fetch
# What a newer peer may do otherwise: sessions in VRFs and namespaces and both ways, over
# IPv6 and unnumbered (RFC 8950), graceful restart, failover.
PEER_TESTS := GlobalRIB|IPv4OverIPv6Nexthop|SessionsExample|Sessions?Security|ExportByRouteTarget|ImportsOfTwoTenants|LinkLocal|BIRDOnALink|OneAddressOnTwoLinks|TwoRouters|IPv6RoutesOverAnIPv4|NexthopsOfANeighbour|RouterAdvertisements$$|FastFailover|FailoverToAnother|GracefulRestartOfFRR
PEER_ROWS := 08|09|52|53
# Where another PE forwards packets of tenants that are VRF devices, by MPLS, SRv6 and VXLAN, and
# where FRR 10 has a label for each nexthop.
PEER_EDGES := ^Test(Forwarding(BIRD)?|VPNv4OverEBGP|VPNv6PerNexthopLabel)$$

.PHONY: peers-program peers test-peers
peers-program:
	@mkdir -p $(dir $(PEERS_FETCH))
	@go build -trimpath -o $(PEERS_FETCH) ./integration/peers/fetch

peers: peers-program ## Fetch the newest BIRD and FRR of Debian, beside the host's, for tests and benchmarks
	@$(PEERS_FETCH)

test-peers: peers-program vmrun ## Run the tests with neighbours against the newest BIRD and FRR of Debian
	@VMRUN=$(VMRUN) VM_DAEMON=$(VM_DAEMON) integration/peers/test.sh $(PEERS_FETCH) '$(PEER_TESTS)' '^TestFault($(PEER_ROWS))' '$(PEER_EDGES)'
