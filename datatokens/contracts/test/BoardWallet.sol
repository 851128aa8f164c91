// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title A board's account for tests: a contract that signs as whoever sits in its chair (ERC-1271)
contract BoardWallet is IERC1271 {
    /// @notice Who signs for the board now.
    address public chair;

    constructor() {
        chair = msg.sender;
    }

    /// @notice Leave the chair to `next`.
    /// @param next Who signs from now on.
    function handOver(address next) external {
        require(msg.sender == chair);
        chair = next;
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == chair ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
