// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Holds the newest root of each provider's append-only log
/// @notice Keyed by sender, so that no stranger can touch or block another's log. State and event both: a node may
/// prune old events, and an old receipt proves forward, by consistency, to the newest root.
abstract contract Anchor {
    /// @notice The newest anchored root of one provider.
    /// @param root RFC 9162 Merkle tree hash of the log.
    /// @param size Number of log entries under it.
    /// @param time Unix time of the block that anchored it.
    /// @param blockNumber That block.
    struct Head {
        bytes32 root;
        uint64 size;
        uint48 time;
        uint48 blockNumber;
    }

    /// @notice The log didn't grow.
    /// @param size The size offered.
    /// @param current The size that stands.
    error AnchorNotGrowing(uint64 size, uint64 current);
    /// @notice The root is zero, which is no hash of anything.
    error AnchorZeroRoot();

    /// @notice A provider's log was anchored.
    /// @param provider The provider.
    /// @param size Number of log entries.
    /// @param root Merkle tree hash over them.
    /// @param previousRoot What stood before; zero at first.
    event Anchored(address indexed provider, uint64 size, bytes32 root, bytes32 previousRoot);

    mapping(address provider => Head head) private _heads;

    /// @notice Anchor the caller's log.
    /// @param size Number of entries; more than what stands.
    /// @param root Merkle tree hash over them.
    function anchor(uint64 size, bytes32 root) public {
        Head storage head = _heads[msg.sender];
        if (size <= head.size) revert AnchorNotGrowing(size, head.size);
        if (root == 0) revert AnchorZeroRoot();
        bytes32 previousRoot = head.root;
        head.root = root;
        (head.size, head.time, head.blockNumber) = (size, uint48(block.timestamp), uint48(block.number));
        emit Anchored(msg.sender, size, root, previousRoot);
    }

    /// @notice The newest root of a provider.
    /// @param provider Whose log.
    /// @return All zero when nothing was anchored.
    function getAnchor(address provider) external view returns (Head memory) {
        return _heads[provider];
    }
}
